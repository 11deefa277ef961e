# Ctrl-C in the middle of a probe: what is finished is kept, the exit code is 1 and one line says how to go on; the same command goes on, and the result is
# that of a run that was never stopped.
. "$SLICK_ROOT/tests/cli/lib.sh"
model=$SLICK_ROOT/tests/data/reference/tiny/llama-gqa/model.gguf

for i in $(seq 0 399); do
    [ "$i" -lt 20 ] && split='dev' || split='test'
    echo "{\"question\": \"$i?\", \"answer\": \"$((i % 7))\", \"relation\": \"r\", \"split\": \"$split\"}"
done >f.jsonl
probe=("$slick" probe "$model" --shots 1 --n-ex 4 --samples 16 --dtype f32 --threads 1 --answers all --batch-tokens 8)
expect_exit 0 "$slick" import f.jsonl --quiet
expect_exit 0 "$slick" import f.jsonl --quiet --store whole.db
expect_exit 0 "${probe[@]}" --store whole.db --quiet
[ -s err ] && fail "--quiet probe writes to stderr"
expect_exit 0 "$slick" labels --jsonl --store whole.db
cp out whole
expect_lines whole 380

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
[ "$n" -gt 0 ] && [ "$n" -lt 380 ] || fail "$n labels after Ctrl-C"
expect_exit 0 "${probe[@]}"
expect_match err "$n"
expect_exit 0 "$slick" labels --jsonl
cmp -s out whole || fail "the stopped and continued run differs from the whole one"
expect_exit 0 "${probe[@]}"
expect_exit 0 "$slick" labels --jsonl
cmp -s out whole || fail "a probe of finished work changed it"
exit 0
