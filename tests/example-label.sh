#!/usr/bin/env bash
# usage: example-label.sh PROGRAM ROOT TINY: examples/label.c with the built-in model and facts of it; without it, that it runs at all, with a model that
# knows no capitals (its context is 64 tokens: one example a prompt).
set -euo pipefail
label=$1 table=$2/data/builtin/facts.tsv
fail() { echo "FAILED: $*" >&2 && exit 1; }

facts=$(mktemp)
trap 'rm -f "$facts" "$facts.out"' EXIT
"$label" "$3" 1 | tee "$facts.out"
grep -q 'Thimphu .*Unknown' "$facts.out" || fail "a model of seeded numbers knows a capital, or nothing was asked"
[ -e "$2/data/builtin/builtin.gguf" ] && [ -e "$table" ] || exit 0
for kind in clean none; do # who is whose child: what was read is known, the rest is hard to guess
    awk -F '\t' -v kind=$kind '$3 == "P40" && $4 == "test" && $5 == kind && n++ < 8 { print $1 "\t" $2 }' "$table"
done >"$facts"
"$label" builtin: 4 "$facts" >"$facts.out"
cat "$facts.out"
count() { # FIRST LAST CATEGORY: lines of facts FIRST to LAST with that category
    sed -n "$1,$2p" "$facts" | cut -f 1 | grep -F -f - "$facts.out" | grep -c "$3 *greedy" || true
}
[ "$(count 1 8 HighlyKnown)" -ge 4 ] || fail "of 8 facts that it read $(count 1 8 HighlyKnown) are HighlyKnown"
[ "$(count 9 16 Unknown)" -ge 5 ] || fail "of 8 facts that it never read $(count 9 16 Unknown) are Unknown"
