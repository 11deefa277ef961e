# Qwen2.5-Coder 0.5B: SLICK_FACTS facts (50) labelled by verification and token by token are identical, with the texts of all answers.
. "$SLICK_ROOT/tests/slow/lib.sh"
model=$(get_model qwen2.5-coder-0.5b)
n=${SLICK_FACTS:-50}
import_facts
probe all.db "$model" --limit "$n" --answers all
probe naive.db "$model" --limit "$n" --naive
same naive.db all.db texts
probe none.db "$model" --limit "$n" --answers none --threads 1 --batch-tokens 64
same none.db all.db outcomes
