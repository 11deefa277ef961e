#!/usr/bin/env bash
# Full fine-tuning with slick beside PyTorch, in one run, on the same question-answer pairs.
#
# usage: compare-torch.sh MODEL.gguf PYTHON PEER.py MODEL_DIR EQ_DIR [BATCH [STEPS]]
#
# PEER.py is a script that trains with torch and transformers (PYTHON's environment), called as
#   PEER.py MODEL_DIR EQ_DIR BATCH STEPS DTYPE THREADS        DTYPE: bf16 (autocast) or float32
# and prints a line "... R tokens/s, ...". BF16_BATCH: a smaller batch for the peer's bf16, which a processor without it emulates at
# a few tokens a second (its rate hardly depends on the batch). MODEL_DIR: the same model as a Hugging Face directory (slick convert). The machines
# that this runs on are noisy: slick runs before and after the peer, and the ratio is taken of slick's lower rate to the better of the
# peer's two types.
set -euo pipefail
[ $# -ge 5 ] || { sed -n '2,12p' "$0" >&2; exit 2; }
model=$1 python=$2 peer=$3 peer_model=$4 eq=$5 batch=${6:-128} steps=${7:-2}
slick=${SLICK:-$(dirname "$0")/../build/release/slick}
threads=$(nproc)

run_peer() { "$python" "$peer" "$peer_model" "$eq" "$2" "$steps" "$1" "$threads" 2>/dev/null | tee /dev/stderr | sed -n 's/.* \([0-9.]*\) tokens\/s.*/\1/p'; }
run_slick() { "$slick" bench train "$model" --batch "$batch" --threads "$threads" --json --quiet | tee /dev/stderr |
    "$python" -c 'import json,sys; print(json.load(sys.stdin)["train"]["rate"])'; }

before=$(run_slick)
bf16=$(run_peer bf16 "${BF16_BATCH:-$batch}")
f32=$(run_peer float32 "$batch")
after=$(run_slick)
awk -v b="$before" -v a="$after" -v x="$bf16" -v y="$f32" 'BEGIN { s = a < b ? a : b; p = x > y ? x : y
    printf "PyTorch bf16 autocast %.0f, float32 %.0f tokens/s; slick %.0f and %.0f = %.1f x the bf16 rate, %.1f x the better of both\n", x, y, b, a, s / x, s / p }'
