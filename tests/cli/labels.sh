# labels, relabel and merge over a label set of known content (make_labels.c): of 60 facts 12 in each category, 12 unlabelable.
. "$SLICK_ROOT/tests/cli/lib.sh"

for i in $(seq 0 59); do
    [ $((i % 2)) = 0 ] && split='train' || split='test'
    echo "{\"question\": \"What is $i?\", \"answer\": \"answer, $i\", \"relation\": \"r$((i % 3))\", \"split\": \"$split\", \"subject\": \"$i\"}"
done >f.jsonl
expect_exit 0 "$slick" import f.jsonl --quiet
expect_error 1 'no labels yet' "$slick" labels
expect_exit 0 "$slick" labels --list
[ -s out ] && fail "an empty list is not empty"
"$MAKE_LABELS" slick.db f greedy k1
"$MAKE_LABELS" slick.db f all k1
"$MAKE_LABELS" slick.db f none k2

# --- the table --------------------------------------------------------------------------------------------------------------------
expect_exit 0 "$slick" labels --labels 2
expect_match err '^slick: label set 2: made-up in f32, facts of f, 4 prompts of 2 examples, 3 samples, match em, seed 7; 60 facts$'
# Wilson, 4 of 16 and 12 of 48 at 95%: 10.2-49.5 and 14.9-38.8
expect_match out '^r0 +16 +25 \(10-49\) +25 \(10-49\) +25 \(10-49\) +25 \(10-49\)$' '^all +48 +25 \(15-39\)' '^12 more cannot be labelled'
expect_exit 0 "$slick" labels
expect_match err '^slick: label set 3: '
expect_exit 0 "$slick" labels --by split --quiet
[ -s err ] && fail "--quiet is not quiet"
expect_match out '^train +24 +25 ' '^test +24 +25 '
expect_exit 0 "$slick" labels --split test --relations r0,r2
expect_match out '^r0 +8 ' '^r2 +8 '
expect_no_match out '^r1'
expect_error 1 'r9' "$slick" labels --relations r9 --quiet
expect_error 1 'no label set 77' "$slick" labels --labels 77

expect_exit 0 "$slick" labels --json --labels 1
expect_lines out 1
expect_json out 1 labels id
expect_json out made-up labels model name
expect_json out 0000000000001234 labels model hash
expect_json out greedy labels decoded
expect_json out relation by
expect_json out r1 groups 1 relation
expect_json out 16 groups 1 n
expect_json out 4 groups 1 unlabelable
expect_json out 0.25 groups 1 categories WeaklyKnown share
expect_json out 12 all categories Unknown n
expect_match out '"low":0\.1018206749121305[0-9]*,"high":0\.494983165355087'

expect_exit 0 "$slick" labels --csv
expect_lines out 4
expect_match out '^relation,n,unlabelable,HighlyKnown,HighlyKnown_share,' '^r2,16,4,4,0\.25,0\.1018'
expect_exit 0 "$slick" labels --list
expect_lines out 4
expect_match out '^ 3 +60 +made-up in f32, ' ' k2 '
expect_exit 0 "$slick" labels --list --json
expect_json out 3 label_sets 0 id

# --- a fact a line -------------------------------------------------------------------------------------------------------------------
expect_exit 0 "$slick" labels --jsonl --labels 2
expect_lines out 60
head -1 out >line
want='{"relation":"r0","subject":"0","question":"What is 0?","answers":["answer, 0"],"aliases":[],"split":"train","ood":false,"category":"HighlyKnown","p_greedy":1.0,"p_sampled":1.0,"p_gold":0.25,"n_ex":4,"samples":3,"decoded":"all","answers_seen":[{"text":"answer, 0","n_greedy":4,"n_sampled":12}],"model":{"name":"made-up","hash":"0000000000001234"},"seed":7}'
[ "$(cat line)" = "$want" ] || fail "the first line is $(cat line)"
LINE=2 expect_json out 0.5 p_greedy
LINE=2 expect_json out 2 answers_seen 0 n_greedy
LINE=3 expect_json out WeaklyKnown category
LINE=4 expect_json out Unknown category
LINE=5 expect_json out Unlabelable category
expect_exit 0 "$slick" labels --jsonl --labels 1 --split test
expect_lines out 30
expect_exit 0 "$slick" labels --jsonl --labels 3
LINE=4 expect_json out '[]' answers_seen

# --- the sheet for judging by hand -----------------------------------------------------------------------------------------------------
expect_exit 0 "$slick" labels --review 10 --labels 2
expect_lines out 11
expect_match out '^relation,question,answers,aliases,model_answer,n_greedy,n_sampled,verdict$' \
    '^r[0-2],What is [0-9]+\?,"answer, [0-9]+",,"it is answer, [0-9]+, says [0-3]",[01],[0-3],$'
cp out sheet
expect_exit 0 "$slick" labels --review 10 --labels 2
cmp -s out sheet || fail "the sheet is another one the second time"
expect_exit 0 "$slick" labels --review 5 --labels 2
head -6 sheet | cmp -s out - || fail "a smaller sheet is not the beginning of the larger"
expect_exit 0 "$slick" labels --review 10 --labels 2 --seed 1
cmp -s out sheet && fail "the seed does not change the sheet"
# 4 prompts x 36 facts have wrong answers, one text a prompt; greedy ones: none of Highly, prompts 2 and 3 of Maybe, all of the others.
expect_exit 0 "$slick" labels --review 1000 --labels 2
expect_lines out 145
expect_match err 'only 144 different wrong answers'
expect_exit 0 "$slick" labels --review 1000 --labels 1
expect_lines out $((1 + 12 * 2 + 12 * 4 + 12 * 4))
expect_error 1 'label set 3 has no text of wrong answers.*--answers none' "$slick" labels --review 10 --quiet

# --- relabel -----------------------------------------------------------------------------------------------------------------------------
expect_exit 0 "$slick" relabel --labels 2 --json
expect_json out 12 all categories WeaklyKnown n
expect_json out 0 changed
expect_json out 4 by_n_ex 3 n_ex
expect_json out 0.25 by_n_ex 3 WeaklyKnown
expect_json out 1.0 by_n_ex 3 same
expect_json out 0.5 by_n_ex 0 HighlyKnown # one prompt: Maybe looks Highly, Weakly looks Unknown
expect_json out 0.5 by_n_ex 0 same
expect_json out 0.25 by_samples 2 WeaklyKnown
expect_json out 0.5 by_samples 1 Unknown
expect_exit 0 "$slick" relabel --labels 2 --n-ex 3 --samples 2
expect_match err 'counted: 3 prompts, 2 samples, match em; 12 facts change'
expect_match out '^all +48 +25 \(15-39\) +25 \(15-39\) +0 \(0-7\) +50 \(36-64\)$' '^ +3 +25\.0 +25\.0 +0\.0 +50\.0 +100\.0$'
expect_exit 0 "$slick" relabel --labels 2 --n-ex 1 --samples 0 --jsonl
LINE=2 expect_json out HighlyKnown category
LINE=2 expect_json out 1 n_ex
LINE=2 expect_json out 0 samples
expect_match out '"p_gold":0\.1,' # by its fewest digits
expect_exit 0 "$slick" relabel --labels 2 --match contains --json
expect_json out 48 all categories HighlyKnown n
expect_json out 36 changed
expect_json out contains match
expect_exit 0 "$slick" relabel --labels 1 --match em
expect_error 1 'label set 1 was matched by em and keeps not every answer.*--answers greedy.*strict.*--answers all' \
    "$slick" --quiet relabel --labels 1 --match strict
expect_error 1 'has 4 prompts, expected at least the 5 of --n-ex' "$slick" --quiet relabel --n-ex 5
expect_error 1 'has 3 samples, expected at least the 4 of --samples' "$slick" --quiet relabel --samples 4
expect_error 2 'relabel: --match: ' "$slick" relabel --match fuzzy
expect_error 2 'exclude each other' "$slick" labels --csv --jsonl
expect_error 2 'exclude each other' "$slick" labels --json --csv

# --- merge: two shards make the whole; label sets of other kernels stay apart -------------------------------------------------------------
for shard in 0 1; do
    expect_exit 0 "$slick" import f.jsonl --store s$shard.db --quiet
    "$MAKE_LABELS" s$shard.db f all k1 $shard 2
done
expect_exit 0 "$slick" --store whole.db merge s0.db s1.db
expect_match out '^s0\.db +1 +1 +0 +30 +0 +0 +0$' '^s1\.db +0 +0 +1 +30 +0 +0 +0$'
expect_exit 0 "$slick" --store whole.db labels --jsonl
cp out merged
expect_exit 0 "$slick" labels --jsonl --labels 2
cmp -s out merged || fail "merged shards differ from the whole"
expect_exit 0 "$slick" --store whole.db merge s0.db --json
expect_json out 30 merged 0 labels_equal
expect_json out 0 merged 0 labels_added
expect_exit 0 "$slick" --store whole.db merge slick.db
expect_exit 0 "$slick" --store whole.db labels --list --json
[ "$(grep -o '"kernels":"k[12]"' out | sort | uniq -c | tr -d ' \n')" = '2"kernels":"k1"1"kernels":"k2"' ] || fail "label sets: $(cat out)"
expect_error 1 'whole\.db: ' "$slick" --store whole.db merge whole.db
# Sets of one name with other facts do not merge.
head -5 f.jsonl >g.jsonl
expect_exit 0 "$slick" import g.jsonl --name f --store g.db --quiet
expect_error 1 "'f'|set f" "$slick" --store whole.db merge g.db
# Facts cannot change below their labels, --force or not.
expect_error 1 'label set' "$slick" import g.jsonl --name f --force

# --- readers that go away, in the middle of much output --------------------------------------------------------------------------------------
{ "$slick" labels --jsonl --labels 2 2>err; echo $? >code; } | head -n 1 >out
expect_lines out 1
[ "$(cat code)" = 0 ] || fail "labels --jsonl | head: exit code $(cat code)"
expect_lines err 1 # the note that says which label set
exit 0
