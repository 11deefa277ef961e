#!/usr/bin/env bash
# Labelling with slick beside llama.cpp with all prefixes shared, in one run, on the same relations.
#
# usage: compare-llamacpp.sh MODEL.gguf PYTHON PEER.py PEER-BF16.gguf EQ_DIR [FACTS_PER_RELATION [PEER_FACTS_PER_RELATION]]
#
# PEER.py is a script that labels with llama.cpp (llama-cpp-python in PYTHON's environment), called as
#   PEER.py PEER-BF16.gguf EQ_DIR RELATIONS FACTS SEED THREADS
# and ends with a line "... s: R facts/s ...". The machines that this runs on are noisy: the peer runs before and after slick, and the
# ratio is taken to the better of its two rates.
set -euo pipefail
[ $# -ge 5 ] || { sed -n '2,8p' "$0" >&2; exit 2; }
model=$1 python=$2 peer=$3 peer_model=$4 eq=$5 facts=${6:-40} peer_facts=${7:-4}
relations=P131,P17,P19,P36,P40,P69
slick=${SLICK:-$(dirname "$0")/../build/release/slick}
threads=$(nproc)

run_peer() { "$python" "$peer" "$peer_model" "$eq" "$relations" "$peer_facts" 1 "$threads" | tee /dev/stderr | sed -n 's/.* s: \([0-9.]*\) facts\/s.*/\1/p'; }
run_slick() { "$slick" bench label "$model" --relations "$relations" --limit $((facts * 6)) --answers "$1" --threads "$threads" --quiet | tee /dev/stderr |
    awk '/^labelling/ { for (i = 1; i < NF; i++) if ($(i + 1) == "facts/s") print $i }'; }

before=$(run_peer)
none=$(run_slick none)
greedy=$(run_slick greedy)
after=$(run_peer)
awk -v b="$before" -v a="$after" -v n="$none" -v g="$greedy" 'BEGIN { p = a > b ? a : b
    printf "llama.cpp %.3f and %.3f facts/s; slick --answers none %.2f = %.1f x, --answers greedy %.2f = %.1f x\n", b, a, n, n / p, g, g / p }'
