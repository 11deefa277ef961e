# SmolLM2-135M: the categories of 120 facts agree with those of another implementation, up to the random numbers. The exemplars come from
# the same pool, the dev facts of EntityQuestions.
. "$SLICK_ROOT/tests/slow/lib.sh"
model=$(get_model smollm2)
"$slick" import entityquestions --store all.db --relations P131,P136,P17,P19,P26,P264,P36,P40,P495,P69,P740,P800 --quiet >/dev/null
"$tools/compare_labels" facts all.db "$reference/shares.json" >shares.jsonl
"$slick" import shares.jsonl --name shares --overlap none --store shares.db --quiet >/dev/null
"$slick" probe "$model" --store shares.db --quiet
"$tools/compare_labels" shares shares.db "$reference/shares.json"
