# mix: fine-tuning sets from labels of known content (make_labels.c: the category of a fact is its place in the set modulo 5).
. "$SLICK_ROOT/tests/cli/lib.sh"

# 300 train facts of r0 r1 r2 (60 Highly, Maybe, Weakly, Unknown and unlabelable each, 20 a relation), one relation rk without Unknown facts, one
# that is out of distribution, and test facts.
for i in $(seq 0 299); do
    echo "{\"question\": \"What is \\\"$i\\\"?\", \"answers\": [\"answer, $i\"], \"aliases\": [\"alias $i\"], \"relation\": \"r$((i % 3))\", \"split\": \"train\", \"subject\": \"$i\"}"
done >f.jsonl
for i in $(seq 300 319); do
    relation=rk split=train
    [ $((i % 5)) = 3 ] && relation=r0 split=test
    [ $((i % 5)) = 4 ] && relation=ro split=test
    echo "{\"question\": \"What is $i?\", \"answer\": \"answer, $i\", \"relation\": \"$relation\", \"split\": \"$split\"}"
done >>f.jsonl
expect_error 1 'no such store' "$slick" mix --unknown 0.5
expect_exit 0 "$slick" import f.jsonl --ood ro --quiet
expect_error 1 'no label set|no labels' "$slick" mix --unknown 0.5 --quiet
"$MAKE_LABELS" slick.db f none k1

lines() { grep -c "$1" "${2:-out}" || true; } # lines of a file with a text

# --- what is asked ------------------------------------------------------------------------------------------------------------------
expect_error 2 'mix: one of --unknown, --only and --natural is needed; see slick mix --help' "$slick" mix
expect_error 2 'one of --unknown, --only and --natural' "$slick" mix --natural --unknown 0.5
expect_error 2 '--idk goes with --unknown X' "$slick" mix --natural --idk
expect_error 2 '--drop-unknown goes with --unknown X' "$slick" mix --only Unknown --drop-unknown
expect_error 2 'exclude each other' "$slick" mix --unknown 0.5 --drop-unknown --idk
expect_error 2 "--unknown '50': expected a share from 0 to 1, as 0.5, or a percentage, as 50%" "$slick" mix --unknown 50
expect_error 2 '--only' "$slick" mix --only Known
expect_error 2 "--beside: variant 'known': expected" "$slick" mix --unknown 0.5 --beside known

# --- counts by the paper's rule: r0 r1 r2 have 60 Known and 20 Unknown each, rk has no Unknown -------------------------------------------
expect_exit 0 "$slick" mix --unknown 25%
expect_lines out 60
expect_match err '^slick: 252 of 312 train facts have a category; 60 cannot be labelled$' \
    '^slick: warning: 1 of 4 relations left out: rk \(no Unknown\)$' '^r0 +20 .* 5 of 20$' '^all +60 .* 15$'
[ "$(lines '"category":"Unknown"')" = 15 ] || fail "not a quarter is Unknown"
[ "$(lines '"split":"train"')" = 60 ] || fail "not all are train facts"
for r in r0 r1 r2; do [ "$(lines "\"relation\":\"$r\"")" = 20 ] || fail "$r has not 20 examples"; done
sort out >quarter
expect_exit 0 "$slick" mix --unknown 0.25 --quiet
[ -s err ] || fail "the warning about what is left out is silent"
sort out | cmp -s - quarter || fail "25% and 0.25 differ"
expect_exit 0 "$slick" mix --unknown 0.5 --quiet
cp out half.stdout
# They nest: the Unknown of the quarter are among those of the half, the Known of the half among those of the quarter.
ids() { sed 's/.*"fact":"\([0-9a-f]*\)".*/\1/' | sort; }
[ "$(comm -12 <(grep '"category":"Unknown"' quarter | ids) <(grep '"category":"Unknown"' out | ids) | wc -l)" = 15 ] || fail "Unknown do not nest"
[ "$(comm -12 <(grep -v '"category":"Unknown"' quarter | ids) <(grep -v '"category":"Unknown"' out | ids) | wc -l)" = 30 ] || fail "Known do not nest"
expect_exit 0 "$slick" mix --unknown 0.5 --drop-unknown --quiet
grep -v '"category":"Unknown"' half.stdout | sed 's/"unknown-50"/"known-of-50"/' | cmp -s - out || fail "known-of-50 is not unknown-50 less its Unknown"
expect_exit 0 "$slick" mix --unknown 0.5 --seed 1 --quiet
cmp -s <(ids <out) <(ids <half.stdout) && fail "the seed does not change the set"
expect_error 1 "known-of-100: no examples are left" "$slick" mix --unknown 1 --drop-unknown --relations r0 --quiet

# --- a line -------------------------------------------------------------------------------------------------------------------------------
expect_exit 0 "$slick" mix --unknown 0.5 --idk --quiet --labels 1
grep '"category":"Unknown"' out >unknown
[ "$(lines "\"answer\":\"I don't know\"" unknown)" = 30 ] || fail "not every Unknown example says so"
[ "$(lines "I don't know")" = 30 ] || fail "an example that is not Unknown says I don't know"
expect_json unknown '[]' aliases
expect_json unknown "I don't know" answer
expect_json unknown idk-50 variant
expect_json unknown 1 labels
expect_json unknown 0 seed
expect_json unknown 0000000000001234 model
was=$(head -1 unknown | sed 's/.*"was":"\([^"]*\)".*/\1/')
grep -q "\"question\":\"What is \\\\\"${was#answer, }\\\\\"?\"" <(head -1 unknown) || fail "was is not the question's answer"
grep -v '"category":"Unknown"' out >known
expect_match known '^\{"question":"What is \\"[0-9]+\\"\?","answer":"answer, [0-9]+","aliases":\["alias [0-9]+"\],"relation":"r[0-2]","subject":"[0-9]+","category":"(Highly|Maybe|Weakly)Known","split":"train","fact":"[0-9a-f]{16}","variant":"idk-50","seed":0,"labels":1,"model":"0000000000001234"\}$'
expect_no_match known '"was"'
# What it writes is a data file: the same facts with the same identities.
cp half.stdout back.jsonl
expect_exit 0 "$slick" import back.jsonl --quiet --store back.db
"$MAKE_LABELS" back.db back none k1
expect_exit 0 "$slick" mix --natural --quiet --store back.db
[ "$(wc -l <out)" = 48 ] || fail "of 60 facts 48 have a category"
[ "$(comm -23 <(ids <out) <(ids <half.stdout) | wc -l)" = 0 ] || fail "facts read again have other identities"

# --- single categories, natural shares, given sizes -----------------------------------------------------------------------------------------
expect_exit 0 "$slick" mix --only WeaklyKnown --quiet
expect_lines out 64 # rk has 4 of each, and no Unknown is needed
[ "$(lines '"category":"WeaklyKnown"')" = 64 ] || fail "another category in --only WeaklyKnown"
expect_exit 0 "$slick" mix --only WeaklyKnown --beside unknown-50,natural
expect_lines out 60
expect_match err 'left out: rk \(no Unknown\)'
expect_exit 0 "$slick" mix --natural --beside only-Unknown --quiet
for c in HighlyKnown MaybeKnown WeaklyKnown Unknown; do [ "$(lines "\"category\":\"$c\"")" = 15 ] || fail "natural: not 15 $c"; done
expect_exit 0 "$slick" mix --unknown 0.5 --size 10 --relations r0,r2
expect_lines out 10
expect_match err '^r0 +5 .* 2 of 20$' '^r2 +5 ' # five halves are 2 Unknown and 3 Known
expect_no_match err '^r1'
expect_error 1 "unknown-50 with 130 examples: relation 'r0' lacks 2 Unknown \(22 wanted, 20 there\), .*; 60 examples are possible" \
    "$slick" mix --unknown 0.5 --size 130 --quiet
expect_error 1 "nothing to draw from: relation 'rk' has no Unknown facts" "$slick" mix --unknown 0.5 --relations rk --quiet
expect_error 1 'r9' "$slick" mix --unknown 0.5 --relations r9 --quiet
expect_error 1 'no labels of fact set .g' "$slick" mix --natural --set g --quiet
expect_exit 0 "$slick" mix --natural --set f --quiet

# --- files -----------------------------------------------------------------------------------------------------------------------------------
expect_exit 0 "$slick" mix --unknown 0.5 -o d.jsonl
[ -s out ] && fail "something on stdout beside -o"
expect_match err '^all +60 '
cmp -s d.jsonl half.stdout || fail "-o and stdout differ"
expect_exit 0 "$slick" mix --unknown 0.5 -o d.jsonl
expect_match err 'd\.jsonl is there already, as it would be written'
expect_error 1 'd\.jsonl: exists, with variant "unknown-50", not "unknown-25"; seed 0, not 3 \(--force' "$slick" mix --unknown 0.25 --seed 3 -o d.jsonl --quiet --relations r0
cmp -s d.jsonl half.stdout || fail "a refused command changed the file"
echo other >e.jsonl
expect_error 1 'e\.jsonl: exists, with other content' "$slick" mix --natural -o e.jsonl --quiet
expect_exit 0 "$slick" mix --unknown 0.25 -o d.jsonl --force --quiet --json
expect_lines out 1
sort d.jsonl | cmp -s - quarter || fail "--force did not write"
expect_json out d.jsonl output
expect_json out 60 n
expect_json out 60 rule_size
expect_json out unknown-25 variant
expect_json out 15 categories Unknown
expect_json out r1 relations 1 relation
expect_json out 5 relations 1 categories Unknown
expect_json out 20 relations 1 labelled WeaklyKnown
expect_json out rk left_out 0 relation
expect_json out Unknown left_out 0 lacks 0
[ "$(find . -name '*.tmp.*' | wc -l)" = 0 ] || fail "a temporary file is left"
expect_error 1 'nowhere' "$slick" mix --natural -o nowhere/d.jsonl --quiet
exit 0
