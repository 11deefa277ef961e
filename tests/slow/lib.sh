# Helpers of the slow tests: `. "$SLICK_ROOT/tests/slow/lib.sh"`. Each script gets the program as $1 and an empty current
# folder; the models come from tools/get-model.sh, which keeps them. What is compared, and how strictly, stands in
# tests/tools/compare_real.c and compare_labels.c.
# shellcheck shell=bash disable=SC2034
slick=$1
tools=$(dirname "$1")/tests
reference=$SLICK_ROOT/tests/data/reference/real

get_model() { "$SLICK_ROOT/tools/get-model.sh" "$1"; }

# reference_values NAME MODEL: everything of tests/data/reference/real that has this name. SLICK_SCORE_FACTS: only so many facts.
reference_values() {
    local name=$1 model=$2 bad=0
    "$tools/compare_real" tokens "$model" "$reference/tokenize-$name.json" || bad=1
    "$tools/compare_real" logits "$model" "$reference/logits-$name.json" f32 || bad=1
    "$tools/compare_real" logits "$model" "$reference/logits-$name.json" bf16 || bad=1
    "$tools/compare_real" scores "$model" "$reference/slick-$name.jsonl" "${SLICK_SCORE_FACTS:-0}" || bad=1
    # once through the program itself
    "$tools/compare_real" pairs "$reference/slick-$name.jsonl" 5 >pairs.jsonl
    "$slick" score "$model" pairs.jsonl --dtype f32 --quiet >lines.jsonl
    "$tools/compare_real" lines "$reference/slick-$name.jsonl" 5 lines.jsonl || bad=1
    return $bad
}

# The facts that identity is tested with: test facts of six relations, in facts.db.
import_facts() { "$slick" import entityquestions --store facts.db --relations P17,P36,P136,P264,P495,P740 --quiet >/dev/null; }

# probe STORE MODEL OPTION...: labels into STORE, which begins as a copy of facts.db.
probe() {
    local store=$1 model=$2
    shift 2
    [ -e "$store" ] || cp facts.db "$store"
    "$slick" probe "$model" --store "$store" --quiet "$@"
}

# same STORE OTHER texts|outcomes
same() { "$tools/compare_labels" same "$@"; }
