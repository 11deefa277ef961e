# What the built-in model read comes out of every command that asks a model, and what it never read does not: logits, generate, score, eval, probe, relabel.
# Numbers are bounds with room for another model of the same plan, and for other processors; docs/builtin-model.md has what was measured.
. "$SLICK_ROOT/tests/cli/lib.sh"
has_builtin || exit 0

value() { # KEY FILE: what a key has in each line
    sed -nE "s/.*\"$1\": ?(\"([^\"]*)\"|([^\",}]*)).*/\2\3/p" "$2"
}
pairs() { sed -E 's/\{"question": "([^"]*)", ("answer": "[^"]*").*/{"prompt": "Q: \1\\nA:", \2}/'; }
builtin_facts clean test 4 >clean.jsonl
builtin_facts none test 4 >none.jsonl
n=$(wc -l <clean.jsonl)
[ "$n" -ge 60 ] && [ "$(wc -l <none.jsonl)" = "$n" ] || fail "$n clean facts, $(wc -l <none.jsonl) that were never mentioned"

# --- score: asked plainly, without examples ---------------------------------------------------------------------------------------
for kind in clean none; do
    pairs <$kind.jsonl >$kind.pairs
    expect_exit 0 "$slick" score builtin: $kind.pairs --dtype f32 --quiet
    expect_lines out "$n"
    cp out $kind.scores
done
knows=$(grep -c '"greedy_match":true' clean.scores)
guesses=$(grep -c '"greedy_match":true' none.scores || true)
[ "$knows" -ge $((n * 3 / 4)) ] || fail "it answers $knows of $n questions about what it read"
[ "$guesses" -le $((n / 5)) ] || fail "it answers $guesses of $n questions about what it never read"
median() { sort -g | sed -n "$((n / 2))p"; }
awk -v a="$(value logprob clean.scores | median)" -v b="$(value logprob none.scores | median)" 'BEGIN { exit !(a > -2 && b < -4) }' ||
    fail "answers that it read are not likelier than others"

# --- generate and logits: the same answer, token by token ---------------------------------------------------------------------------
line=$(grep -n -m 1 '"greedy_match":true' clean.scores | cut -d : -f 1)
question=$(value question clean.jsonl | sed -n "${line}p") answer=$(value answer clean.jsonl | sed -n "${line}p")
prompt=$(printf 'Q: %s\nA:' "$question")
expect_exit 0 "$slick" generate builtin: "$prompt" --temperature 0 --stop $'\n' --dtype f32 --quiet
[ "$(tr -d '\n' <out)" = " $answer" ] || fail "generate says '$(cat out)', score that '$answer' is its answer"
expect_exit 0 "$slick" logits builtin: --text "$prompt" --last --top 1 --dtype f32 --json --quiet
piece=$(value piece out)
[ -n "$piece" ] && [[ " $answer" == "$piece"* ]] || fail "the likeliest token is '$piece', the answer '$answer'"
for seed in 1 1 2 3 4 5; do # ... and when it is drawn, nearly always
    expect_exit 0 "$slick" generate builtin: "$prompt" --temperature 0.5 --stop $'\n' --max-tokens 16 --seed $seed --dtype f32 --quiet
    tr -d '\n' <out && echo
done >drawn
[ "$(sed -n 1p drawn)" = "$(sed -n 2p drawn)" ] || fail "one seed, two texts"
[ "$(grep -cFx " $answer" drawn)" -ge 3 ] || fail "drawn answers are others: $(cat drawn)"

# --- probe: the categories are what was read -------------------------------------------------------------------------------------------
cat clean.jsonl none.jsonl >asked.jsonl
for kind in clean none; do builtin_facts $kind dev 100; done >>asked.jsonl # exemplars
expect_exit 0 "$slick" import asked.jsonl --name asked --quiet
expect_exit 0 "$slick" probe builtin: --dtype f32 --quiet
expect_exit 0 "$slick" labels --jsonl --quiet
expect_lines out $((2 * n))
awk -v n="$n" '
    { match($0, /"question": ?"[^"]*"/); question = substr($0, RSTART + 11, RLENGTH - 11); gsub(/^[ "]+|"$/, "", question) }
    FILENAME != "out" { kind[question] = FILENAME; next }
    { match($0, /"category":"[A-Za-z]*"/); count[kind[question], substr($0, RSTART + 12, RLENGTH - 13)]++ }
    END {
        known = count["clean.jsonl", "HighlyKnown"]
        lost = count["clean.jsonl", "Unknown"]
        unknown = count["none.jsonl", "Unknown"]
        guessed = count["none.jsonl", "HighlyKnown"]
        printf "of %d facts that it read %d HighlyKnown, %d Unknown; of %d that it did not %d Unknown, %d HighlyKnown\n", n, known, lost, n, unknown, guessed
        exit known < n * 0.65 || lost > n * 0.1 || unknown < n * 0.7 || guessed > n * 0.12
    }' clean.jsonl none.jsonl out >table || fail "$(cat table)"
grep -m 1 '"category":"HighlyKnown"' out >line
[ "$(sed -E 's/.*"answers_seen":\[\{"text":"([^"]*)","n_greedy":10,.*/\1/' line)" = "$(sed -E 's/.*"answers":\["([^"]*)"\].*/\1/' line)" ] ||
    fail "HighlyKnown is not ten times the right answer: $(cat line)"
# One prompt alone finds less of it (docs/builtin-model.md).
expect_exit 0 "$slick" relabel --n-ex 1 --json --quiet
one=$(sed -E 's/.*"all":.*"Unknown":\{"n":([0-9]+).*/\1/' out)
expect_exit 0 "$slick" labels --json --quiet
ten=$(sed -E 's/.*"all":.*"Unknown":\{"n":([0-9]+).*/\1/' out)
[ "$one" -ge "$ten" ] || fail "$one Unknown with one prompt, $ten with ten"

# --- eval: in the format of fine-tuning, which it saw little of --------------------------------------------------------------------------
for kind in clean none; do
    expect_exit 0 "$slick" eval builtin: $kind.jsonl --dtype f32 --json --quiet
    sed -E 's/.*"all":\{"n":[0-9]+,"right":([0-9]+).*/\1/' out >$kind.right
done
[ "$(cat clean.right)" -ge $(($(cat none.right) + n / 10)) ] || fail "right: $(cat clean.right) of what it read, $(cat none.right) of what it did not"
echo "$(cat table); plainly asked $knows and $guesses, in the format of fine-tuning $(cat clean.right) and $(cat none.right)"
