#!/usr/bin/env bash
# usage: tools/demo-real.sh PROGRAM: label 200 real facts with a real language model, and say what to type next.
# Everything lands in build/demo-real/; run again, it goes on where it stopped.
set -euo pipefail
cd "$(dirname "$0")/.."
program=${1:?usage: tools/demo-real.sh PROGRAM}
store=build/demo-real/slick.db
relations=P17,P19,P36,P131,P136,P495

say() { printf '\n%s\n' "$*" >&2; }

model=$(tools/get-model.sh smollm2)
mkdir -p build/demo-real

say "== 1/3  EntityQuestions into the store ($store)"
"$program" --store "$store" import entityquestions

say "== 2/3  What does SmolLM2-135M know? 200 test facts, each asked 170 times: 10 few-shot prompts x (1 greedy + 16 sampled)"
"$program" --store "$store" probe "$model" --relations "$relations" --limit 200

say "== 3/3  Share of facts per category"
"$program" --store "$store" labels

cat >&2 <<END

HighlyKnown: always right when greedy; MaybeKnown: sometimes; WeaklyKnown: only when sampled; Unknown: never.

Next (the model is $model):

  S="$program --store $store"  M=$model
  \$S labels --jsonl | head -3                     each fact with its probabilities and the answers seen
  \$S relabel                                      the categories with fewer prompts or samples
  \$S probe \$M --relations P36 --limit 500         more facts; Ctrl-C any time, the same command goes on
  \$S generate \$M "The capital of France is"       what the model writes
  \$S import my.jsonl --name mine                  your own: {"question": ..., "answer": ...} lines, then
  \$S probe \$M --set mine --split train --pool train
  $program help                      all commands
END
