# Gemma 3 270M against the reference values: tokens, logits in f32 and bf16, scores.
. "$SLICK_ROOT/tests/slow/lib.sh"
reference_values gemma3 "$(get_model gemma3-270m)"
