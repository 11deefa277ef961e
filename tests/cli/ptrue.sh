# ptrue: values kept with the labels of a model, completed where a run was stopped, the same in shards that are merged.
. "$SLICK_ROOT/tests/cli/lib.sh"
tools=$(dirname "$slick")/tests

# The built-in model and what it read or did not. It has never seen a proposed answer, so no value says anything; categories are real.
if has_builtin; then
    model=builtin:
    for kind in clean balanced none; do builtin_facts $kind test 2 && builtin_facts $kind dev 2; done >f.jsonl
else
    model=m.gguf
    "$tools/make_tiny" model spm m.gguf
    "$tools/make_tiny" facts m.gguf >f.jsonl
fi
expect_error 1 'no such store' "$slick" ptrue $model
expect_exit 0 "$slick" import f.jsonl --keep-multi-answer --quiet
expect_error 1 'no labels that .* made in this compute type and on these kernels' "$slick" ptrue $model --dtype f32
probe=("$slick" probe "$model" --dtype f32 --shots 2 --n-ex 2 --samples 2 --answers none --quiet)
cp slick.db half0.db
cp slick.db half1.db
expect_exit 0 "${probe[@]}"
expect_exit 0 "$slick" ptrue $model --dtype f32
expect_match err '^slick: label set 1: ' '^slick: [0-9]+ facts in .* facts/s, [0-9]+ token-forwards a fact$'
expect_match out '^category +n +mean +lower quartile +median +upper +below 0\.5 %$' '^HighlyKnown +[1-9][0-9]* +0\.[0-9]{3} ' '^Unknown +[1-9][0-9]* +0\.[0-9]{3} +0\.' '^all +[0-9]+ '
n=$(sed -n 's/^all *\([0-9]*\) .*/\1/p' out)
cp out table
# All values are there now: nothing is computed again.
expect_exit 0 "$slick" ptrue $model --dtype f32 --json
expect_json out 0 n_new
expect_json out "$n" n_facts
expect_json out "$n" categories all n
expect_exit 0 "$slick" ptrue $model --dtype f32 --batch-tokens 64
expect_match err "^slick: $n of $n facts had a value already$"
cmp -s out table || fail "the table is another one the second time"
expect_exit 0 "$slick" ptrue $model --dtype f32 --jsonl --quiet
expect_lines out "$n"
expect_match out '^\{"fact":"[0-9a-f]{16}","relation":".*","question":".*","answer":".*","category":"[A-Za-z]+","p_true":0\.[0-9]+\}$'
cp out whole
# In two stores that share the labelling, merged: the same values.
for i in 0 1; do
    expect_exit 0 "${probe[@]}" --shard "$i/2" --store "half$i.db"
    expect_exit 0 "$slick" ptrue $model --dtype f32 --quiet --store "half$i.db" --batch-tokens 100 --threads 1
done
expect_exit 0 "$slick" --store half0.db merge half1.db
expect_exit 0 "$slick" ptrue $model --dtype f32 --jsonl --store half0.db
expect_match err "^slick: $n of $n facts had a value already$"
cmp -s out whole || fail "values of merged shards differ"
# Killed at any moment: the next one goes on.
cp half1.db again.db
"${probe[@]}" --store again.db >/dev/null
timeout -s KILL 0.4 "$slick" ptrue $model --dtype f32 --batch-tokens 1 --threads 1 --store again.db >/dev/null 2>&1 || true
expect_exit 0 "$slick" ptrue $model --dtype f32 --jsonl --quiet --store again.db
cmp -s <(sort out) <(sort whole) || fail "values after a kill differ"
# Another model's labels are not this one's.
"$tools/make_tiny" model bpe b.gguf
expect_error 1 'no labels that ' "$slick" ptrue b.gguf --dtype f32 --quiet
expect_error 1 "label set 1 is not this model's: .* has hash [0-9a-f]{16}; the labels are of" "$slick" ptrue b.gguf --dtype f32 --labels 1 --quiet
expect_error 1 'no label set 9' "$slick" ptrue $model --dtype f32 --labels 9 --quiet
expect_error 1 'r9' "$slick" ptrue $model --dtype f32 --relations r9 --quiet
expect_error 2 'exclude each other' "$slick" ptrue $model --json --jsonl
exit 0
