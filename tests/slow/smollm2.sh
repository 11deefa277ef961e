# SmolLM2-135M against the reference values: tokens, logits in f32 and bf16, scores.
. "$SLICK_ROOT/tests/slow/lib.sh"
reference_values smollm2 "$(get_model smollm2)"
