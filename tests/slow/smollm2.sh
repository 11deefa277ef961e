# SmolLM2-135M against the reference values: tokens, training examples, logits in f32 and bf16, scores.
. "$SLICK_ROOT/tests/slow/lib.sh"
model=$(get_model smollm2)
"$tools/compare_real" examples "$model" "$reference/train-smollm2.json"
reference_values smollm2 "$model"
