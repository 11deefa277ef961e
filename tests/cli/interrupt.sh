# Ctrl-C in the middle of a probe: what is finished is kept, the exit code is 1 and one line says how to go on; the same command goes on, and the result is
# that of a run that was never stopped.
. "$SLICK_ROOT/tests/cli/lib.sh"

if has_builtin; then
    model=builtin: settings=(--batch-tokens 64) # some seconds
    for kind in clean none; do builtin_facts $kind test 4 && builtin_facts $kind dev 3; done >f.jsonl
    asked=$(grep -c '"split": "test"' f.jsonl)
else
    model=$SLICK_ROOT/tests/data/reference/tiny/llama-gqa/model.gguf settings=(--shots 1 --n-ex 4 --batch-tokens 8) asked=380
    for i in $(seq 0 399); do
        [ "$i" -lt 20 ] && split='dev' || split='test'
        echo "{\"question\": \"$i?\", \"answer\": \"$((i % 7))\", \"relation\": \"r\", \"split\": \"$split\"}"
    done >f.jsonl
fi
probe=("$slick" probe "$model" --dtype f32 --threads 1 --answers all "${settings[@]}")
expect_exit 0 "$slick" import f.jsonl --quiet
expect_exit 0 "$slick" import f.jsonl --quiet --store whole.db
expect_exit 0 "${probe[@]}" --store whole.db --quiet
[ -s err ] && fail "--quiet probe writes to stderr"
expect_exit 0 "$slick" labels --jsonl --store whole.db
cp out whole
expect_lines whole $asked

labelled() { timeout 60 "$slick" labels --list --json | sed -n 's/.*"n_labels":\([0-9]*\).*/\1/p'; }

# Signals reach a background job of a script only where job control is on.
set -m
"${probe[@]}" >out 2>err &
pid=$!
for _ in $(seq 600); do
    n=$(labelled)
    [ "${n:-0}" -gt 0 ] && break
    kill -0 $pid 2>/dev/null || fail "the probe ended before it could be stopped"
    sleep 0.1
done
kill -INT $pid
code=0
wait $pid || code=$?
set +m
last="the interrupted probe"
[ $code = 1 ] || fail "exit code $code after Ctrl-C"
expect_match err '^slick: stopping; ' '^slick: stopped; what was finished is in slick\.db, and the same command goes on from there$'
n=$(labelled)
[ "$n" -gt 0 ] && [ "$n" -lt "$asked" ] || fail "$n labels after Ctrl-C"
expect_exit 0 "${probe[@]}"
expect_match err "$n"
expect_exit 0 "$slick" labels --jsonl
cmp -s out whole || fail "the stopped and continued run differs from the whole one"
expect_exit 0 "${probe[@]}"
expect_exit 0 "$slick" labels --jsonl
cmp -s out whole || fail "a probe of finished work changed it"
exit 0
