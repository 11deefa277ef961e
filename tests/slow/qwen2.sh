# Qwen2.5-Coder 0.5B against the reference values: tokens, logits in f32 and bf16, scores.
. "$SLICK_ROOT/tests/slow/lib.sh"
reference_values qwen2 "$(get_model qwen2.5-coder-0.5b)"
