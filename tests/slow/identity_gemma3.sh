# Gemma 3 270M: SLICK_FACTS facts (50) labelled by verification and token by token are identical, with the texts of all answers.
. "$SLICK_ROOT/tests/slow/lib.sh"
model=$(get_model gemma3-270m)
n=${SLICK_FACTS:-50}
import_facts
probe all.db "$model" --limit "$n" --answers all
probe naive.db "$model" --limit "$n" --naive
same naive.db all.db texts
probe none.db "$model" --limit "$n" --answers none --threads 1 --batch-tokens 64
same none.db all.db outcomes
