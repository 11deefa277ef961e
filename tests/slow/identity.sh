# SmolLM2-135M: the outcome of each draw, the probabilities and the texts of all 170 answers of a fact are the same, bit for
# bit, in whatever way they are found. SLICK_FACTS facts (100), SLICK_NAIVE_FACTS (20) for the slow obvious way.
. "$SLICK_ROOT/tests/slow/lib.sh"
model=$(get_model smollm2)
n=${SLICK_FACTS:-100}
import_facts

probe all.db "$model" --limit "$n" --answers all --threads 2
same all.db all.db texts # all texts are there
probe naive.db "$model" --limit "${SLICK_NAIVE_FACTS:-20}" --naive --threads 2
same naive.db all.db texts

# threads and batches, with every choice of what is decoded
probe small.db "$model" --limit "$n" --answers all --threads 1 --batch-tokens 64
same small.db all.db texts
probe large.db "$model" --limit "$n" --answers greedy --threads 8 --batch-tokens 8192
same large.db all.db outcomes
probe none.db "$model" --limit "$n" --answers none --threads 1
same none.db all.db outcomes

# shards, put together again
for i in 0 1 2; do probe shard$i.db "$model" --limit "$n" --answers all --shard $i/3; done
cp facts.db merged.db
for i in 0 1 2; do "$slick" merge shard$i.db --store merged.db --quiet >/dev/null; done
[ "$("$tools/compare_labels" count merged.db)" = "$n" ]
same merged.db all.db texts

# killed in the middle: what is there stays, the rest is added
cp facts.db killed.db
"$slick" probe "$model" --store killed.db --limit "$n" --answers all --quiet &
until [ "$("$tools/compare_labels" count killed.db)" -gt $((n / 4)) ]; do
    kill -0 $! # else it ended too early
    sleep 0.2
done
kill -9 $!
wait $! || true
before=$("$tools/compare_labels" count killed.db)
echo "killed after $before of $n labels"
[ "$before" -lt "$n" ]
probe killed.db "$model" --limit "$n" --answers all
[ "$("$tools/compare_labels" count killed.db)" = "$n" ]
same killed.db all.db texts

# other kernels give other bits, but the same among themselves
export DNNL_MAX_CPU_ISA=AVX2
few=$((n < 20 ? n : 20))
probe avx2.db "$model" --limit "$few" --answers all --dtype f32 --threads 2
probe avx2-small.db "$model" --limit "$few" --answers all --dtype f32 --threads 1 --batch-tokens 64
same avx2-small.db avx2.db texts
