# builtin: as MODEL from a folder with nothing in it, and slick demo: to its end, once more, killed and run again.
. "$SLICK_ROOT/tests/cli/lib.sh"
tools=$(dirname "$slick")/tests
export OMP_WAIT_POLICY=passive

# --- a program without the model says so ----------------------------------------------------------------------------------------
if ! "$slick" inspect builtin: >out 2>err; then
    [ ! -e "$SLICK_ROOT/data/builtin/builtin.gguf" ] || fail "data/builtin/builtin.gguf is there, but not in the program"
    for command in "inspect builtin:" "tokenize builtin: x" "generate builtin: x" "import builtin:" "demo"; do
        # shellcheck disable=SC2086 # words
        expect_error 1 '^slick: builtin: this slick was built without data/builtin/(builtin\.gguf|facts\.tsv)$' "$slick" $command
    done
    echo "data/builtin/builtin.gguf is not there: the rest is not checked" >&2
    exit 0
fi

# --- MODEL ----------------------------------------------------------------------------------------------------------------------
expect_match out '^builtin:$' '^  architecture +llama$'
expect_exit 0 "$slick" tokenize builtin: "Paris" --json
expect_match out '"ids":\[[0-9]'
expect_exit 0 "$slick" generate builtin: "Q: " --max-tokens 3 --quiet
[ -s out ] || fail "nothing generated"
expect_exit 0 "$slick" convert builtin: -o copy.gguf --quiet
expect_exit 0 "$slick" logits builtin: --tokens 1,2,3 --json --quiet
cp out from-memory
expect_exit 0 "$slick" logits copy.gguf --tokens 1,2,3 --json --quiet
cmp -s out from-memory || fail "the model inside gives other logits than its copy"
rm copy.gguf from-memory
[ -z "$(find . -type f ! -name out ! -name err)" ] || fail "files appeared: $(find . -type f)"

expect_error 2 "'x\.jsonl': builtin: takes no file" "$slick" import builtin: x.jsonl
expect_error 2 '--ood is for files of your own; builtin: knows its own' "$slick" import builtin: --ood P17
expect_exit 0 "$slick" import builtin: --store facts.db
expect_match err "^slick: set builtin: [0-9,]+ facts written to facts\.db$"
expect_exit 0 "$slick" facts --store facts.db
expect_match out '^builtin: [0-9,]+ facts of 19 relations \(7 out of distribution\)' '^P17 ' '^P407 .* ood  '
expect_exit 0 "$slick" probe builtin: --store facts.db --limit 20 --quiet
expect_exit 0 "$slick" labels --store facts.db --csv --quiet
[ "$(awk -F, 'NR > 1 { n += $2 } END { print n }' out)" = 20 ] || fail "not 20 labels"

# --- the demo -------------------------------------------------------------------------------------------------------------------
small=(--quick --facts 120 --epochs 4) # asked at 1, 3, 4, and at 2 if dev says so
# few epochs make a study file that can be read; so few facts do not make a training set
expect_error 1 "few/study\.yaml: variants: nothing to draw from" "$slick" demo --facts 30 --epochs 1 -o few --quiet
expect_error 2 '--store: the demo.s store is DIR/slick\.db' "$slick" demo --store x.db
expect_error 1 'facts\.db: cannot make the folder|facts\.db' "$slick" demo -o facts.db --quiet
expect_exit 0 "$slick" demo "${small[@]}" -o whole
expect_match err '^1  The model ' '^2  Facts .* 120 to train on, ' '^3  What it knows ' ' HighlyKnown [0-9]+% .* of 120 test facts$' \
    '^4  Fine-tuning +5 training sets of [0-9]+ facts, 1 seed, 4 epochs: 5 runs$' '^      100% Unknown +[0-9.]+% -> +[0-9.]+%' \
    "^      50% Unknown: \"I don't know\"" '^5  Report +whole/report/report\.html: [0-9]+ figures, 16 tables'
expect_match out '^The paper.s claims on ' '^What the labels know of the truth$' '^5 of 5 runs in .*whole/report/report\.html'
for file in study.yaml slick.db report/report.html report/findings.json report/figures/truth.svg report/tables/truth.csv; do
    [ -s "whole/$file" ] || fail "no whole/$file"
done
expect_exit 0 "$slick" study status --store whole/slick.db --json
expect_json out 5 'done'
expect_exit 0 "$slick" study run whole/study.yaml --store whole/slick.db
expect_match err '^slick: 5 of 5 runs are done already$'

# The report of its store by hand is the same, ground truth too; the facts that were labelled are all in it.
expect_exit 0 "$slick" report --store whole/slick.db -o by-hand --quiet
for table in findings truth truth-relations truth-prompts table-4; do
    cmp -s "whole/report/tables/$table.csv" "by-hand/tables/$table.csv" || fail "$table.csv differs"
done
expect_exit 0 "$slick" labels --store whole/slick.db --json --quiet
labelled=$(awk -F, 'NR > 1 && $1 == "\"kind\"" || $1 == "kind" { n += $3 } END { print n }' by-hand/tables/truth.csv)
[ "$labelled" -ge 240 ] && [ "$labelled" -le 360 ] || fail "$labelled facts in truth.csv"
cut -f 1-10 "$SLICK_ROOT"/data/builtin/facts.tsv 2>/dev/null | sed '2,$s/\t[^\t]*$/\tx/' >wrong.tsv
if [ -s wrong.tsv ]; then
    expect_error 1 "^slick: wrong\.tsv:2: instruct: 'x', expected a whole number" \
        "$slick" report --store whole/slick.db -o r --quiet --exposure wrong.tsv
fi

# The labels of two processes (on two processors) are those of one. One that is killed is told of, and what it had is not lost.
expect_exit 0 "$slick" import builtin: --store one.db --quiet
cp one.db two.db
"$slick" study probe whole/study.yaml --store two.db --jobs 2 >out 2>err </dev/null &
parent=$!
until worker=$(pgrep -P $parent | tail -n 1) && [ -n "$worker" ] || ! kill -0 $parent 2>/dev/null; do sleep 0.05; done
if [ -n "$worker" ] && kill -KILL "$worker" 2>/dev/null; then
    code=0
    wait $parent || code=$?
    [ $code = 1 ] || fail "exit code $code after a worker was killed"
    expect_match err "part [12] of 2 of the labels: its worker was killed by signal 9"
else
    [ "$(nproc)" = 1 ] || fail "no worker was there to be killed"
fi
expect_exit 0 "$slick" study probe whole/study.yaml --store two.db --jobs 2 --quiet
expect_exit 0 "$slick" study probe whole/study.yaml --store one.db --quiet
for store in whole/slick one two; do
    expect_exit 0 "$slick" labels --store "$store.db" --jsonl --quiet
    sort out >"${store##*/}.jsonl"
    cmp -s slick.jsonl "${store##*/}.jsonl" || fail "$store.db has other labels"
done

# Once more: nothing is left to do. Other options are another study; --json is for programs.
expect_exit 0 "$slick" demo "${small[@]}" -o whole --json --quiet
grep -v '^slick: warning: ' err && fail "--quiet is not quiet" # so few facts may lack a category somewhere
expect_json out whole/report/report.html report
expect_json out whole/slick.db store
expect_json out unknown-hurts findings 0 id
expect_error 1 'whole/study\.yaml: is of other options, or was edited' "$slick" demo --quick -o whole --quiet

# --- killed: the same command goes on, and the store ends up the same -----------------------------------------------------------
kills=0
for round in 1 2 3 4 5 6; do
    "$slick" demo "${small[@]}" -o killed >out 2>err </dev/null &
    parent=$!
    sleep "$(awk -v r="$round" 'BEGIN { srand(r); print 0.3 + r * 0.4 * rand() }')"
    mapfile -t workers < <(pgrep -P "$parent" || true)
    if kill -KILL "$parent" "${workers[@]}" 2>/dev/null; then kills=$((kills + 1)); fi
    code=0
    wait "$parent" 2>/dev/null || code=$?
    if [ $code = 0 ]; then break; fi
done
[ $kills -ge 1 ] || fail "it was never killed"
expect_exit 0 "$slick" demo "${small[@]}" -o killed --quiet
"$tools/compare_studies" whole/slick.db killed/slick.db >differences || { cat differences; fail "the killed demo differs"; }
[ ! -e killed/slick.db.runs ] || fail "killed/slick.db.runs is still there"
