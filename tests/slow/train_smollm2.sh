# SmolLM2-135M: six steps of full fine-tuning in f32 are PyTorch's, in loss and gradient norm.
. "$SLICK_ROOT/tests/slow/lib.sh"
model=$(get_model smollm2)
reference=$SLICK_ROOT/tests/data/reference/real/train-smollm2.json
"$tools/compare_steps" data "$reference" >data.jsonl
"$slick" train "$model" data.jsonl -o run --epochs 6 --batch 8 --lr 1e-4 --weight-decay 0.01 --dropout 0 --dtype f32 --stop epochs --quiet
"$tools/compare_steps" check "$reference" run/log.jsonl
