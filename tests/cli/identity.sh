# The same labels, bit for bit, through the program and the store: whatever the way, the threads and the batches, in shards that are merged, after kill -9
# at any moment, and all of that on the kernels of AVX2, too; of what the built-in model read, so that each category is a real one. (tests/identity has every
# combination that needs no store, and answers that are hard to match.)
. "$SLICK_ROOT/tests/cli/lib.sh"
tools=$(dirname "$slick")/tests
same() { "$tools/compare_labels" same "$@" >same.out || { cat same.out; fail "$*"; }; }
count() { "$tools/compare_labels" count "$1"; }

if has_builtin; then
    model=builtin: asked=95 enough=6 rows=24 # five facts of each relation; batches in which they take some seconds
    expect_exit 0 "$slick" import builtin: --store facts.db --quiet
else
    model=m.gguf asked=186 enough=30 rows=1
    "$tools/make_tiny" model spm m.gguf
    "$tools/make_tiny" facts m.gguf >f.jsonl
    expect_exit 0 "$slick" import f.jsonl --keep-multi-answer --store facts.db --quiet
fi
# probe STORE OPTION...: the store begins as a copy of facts.db
probe() {
    local store=$1
    shift
    [ -e "$store" ] || cp facts.db "$store"
    expect_exit 0 "$slick" probe "$model" --store "$store" --seed 11 --shots 2 --limit "$asked" --dtype "$dtype" --quiet "$@"
    [ ! -s err ] || fail "--quiet is not quiet"
}

# killed STORE OPTION...: a probe that is killed at three random moments and once when there is something to lose; then it is let through.
killed() {
    local store=$1 n=0 before=0
    shift
    cp facts.db "$store"
    local run=("$slick" probe "$model" --store "$store" --seed 11 --shots 2 --limit "$asked" --dtype "$dtype" --quiet --answers all --threads 1 "$@")
    for _ in 1 2 3; do
        timeout -s KILL "0.$((RANDOM % 900 + 50))" "${run[@]}" || true
        n=$(count "$store")
        [ "$n" -ge "$before" ] || fail "labels were lost: $before, then $n"
        before=$n
    done
    "${run[@]}" &
    while [ "$(count "$store")" -le "$before" ] && kill -0 $! 2>/dev/null; do sleep 0.05; done
    kill -9 $! 2>/dev/null || true
    wait $! || true
    n=$(count "$store")
    [ "$n" -gt 0 ] || fail "nothing was committed"
    [ "$n" -lt "$total" ] || echo "the probe was too fast to be killed in the middle"
    expect_exit 0 "${run[@]}"
    [ "$(count "$store")" = "$total" ] || fail "$(count "$store") labels, expected $total"
}

# merged NAME N OPTION...: N shards, each in a store of its own, brought together in NAME.db in reverse order
merged() {
    local name=$1 n=$2 i
    shift 2
    cp facts.db "$name.db"
    for i in $(seq 0 $((n - 1))); do probe "$name$i.db" --answers all --shard "$i/$n" "$@"; done
    for i in $(seq $((n - 1)) -1 0); do expect_exit 0 "$slick" merge "$name$i.db" --store "$name.db" --quiet; done
    [ "$(count "$name.db")" = "$total" ] || fail "$name: $(count "$name.db") labels merged, expected $total"
    # merging again adds nothing
    expect_exit 0 "$slick" merge "$name"0.db --store "$name.db" --quiet
    [ "$(count "$name.db")" = "$total" ] || fail "$name: merging again changed something"
}

dtype=f32
probe all.db --answers all --threads 2
total=$(count all.db)
[ "$total" = $asked ] || fail "$total labels, expected $asked"
same all.db all.db texts
expect_exit 0 "$slick" labels --store all.db --json --quiet
for category in HighlyKnown MaybeKnown WeaklyKnown Unknown; do
    n=$(sed -E "s/.*\"all\":.*\"$category\":\{\"n\":([0-9]+).*/\1/" out)
    [ "$n" -ge $enough ] || fail "only $n facts are $category"
done

probe naive.db --naive --limit 3 --threads 1
same naive.db all.db texts
probe small.db --answers all --threads 1 --batch-tokens 64
same small.db all.db texts
probe greedy.db --answers greedy --threads 8 --batch-tokens 8192
same greedy.db all.db outcomes
probe none.db --answers none --threads 1 --batch-tokens 512
same none.db all.db outcomes
merged shards 3 --threads 2 --batch-tokens 100
same shards.db all.db texts
killed killed.db --batch-tokens $rows
same killed.db all.db texts

# Whichever way found them, `slick labels` says the same, byte for byte.
for store in all small shards killed; do
    expect_exit 0 "$slick" labels --jsonl --store $store.db --quiet
    cp out $store.jsonl
    cmp -s $store.jsonl all.jsonl || fail "labels of $store.db differ from those of all.db"
done

# Other kernels: other bits, but the same among themselves, and beside the first in one store.
export DNNL_MAX_CPU_ISA=AVX2
probe avx.db --answers all --threads 2
probe avx-small.db --answers all --threads 1 --batch-tokens 64
same avx-small.db avx.db texts
probe avx-none.db --answers none --threads 8 --batch-tokens 8192
same avx-none.db avx.db outcomes
merged avx-shards 2 --threads 1
same avx-shards.db avx.db texts
killed avx-killed.db --batch-tokens $((rows + 3))
same avx-killed.db avx.db texts
unset DNNL_MAX_CPU_ISA
expect_exit 0 "$slick" labels --list --json --store avx.db
grep -q avx2 out && {
    expect_exit 0 "$slick" merge avx.db --store all.db --quiet
    expect_exit 0 "$slick" labels --list --json --store all.db
    expect_match out 'avx2' 'avx512|"ref"|dnnl'
}
exit 0
