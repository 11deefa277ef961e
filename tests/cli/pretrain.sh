# slick pretrain from the shell: a plan of seconds gives a model that every other command takes, and a table that slick import takes; the same plan gives
# the same bytes, also after kill -9; plans and outputs that are wrong; a full disk.
. "$SLICK_ROOT/tests/cli/lib.sh"

for i in $(seq 0 89); do
    r=$((i % 3)) split='train' ood=false
    [ $((i / 3 % 5)) = 0 ] && split='dev'
    [ $((i / 3 % 5)) = 1 ] && split='test'
    [ $r = 2 ] && ood=true
    [ "$split $ood" = "train true" ] && split='test'
    printf '{"question": "Where is thing x%d?", "answer": "Place%d", "relation": "R%d", "split": "%s", "ood": %s}\n' "$i" $((i % 7)) $r $split $ood
done >facts.jsonl
cat >plan.yaml <<'END'
name: tiny
facts: facts.jsonl
model: {d_model: 32, layers: 2, heads: 2, ffn: 48, vocabulary: 360, context: 256}
corpus: {row_tokens: 96, instruction: 10}
training: {passes: 6, batch: 2, lr: 1e-2, warmup: 4}
kinds:
  - {name: clean, share: 40, mentions: [2, 4]}
  - {name: balanced, share: 40, list: [1, 1], text: [1, 1]}
statements:
  others: ["{subject} is in {answer}.", "In {answer} there is {subject}."]
END
pretrain=("$slick" pretrain plan.yaml --threads 1)

# --- the output ---------------------------------------------------------------------------------------------------------------------------
expect_exit 0 "${pretrain[@]}" -o base.gguf
expect_match err '^slick: 90 facts, [0-9]+ mentions a pass' '^slick: pass 6 of 6: loss [0-9.]+, [0-9,]+ tokens/s' '^slick: base\.gguf: the model; base\.facts\.tsv'
[ "$(find . -name 'base.*' | sort | tr '\n' ' ')" = "./base.facts.tsv ./base.gguf " ] || fail "files are left: $(ls)"
first=$(sed -n 's/.*pass 1 of 6: loss \([0-9]*\).*/\1/p' err) last_loss=$(sed -n 's/.*pass 6 of 6: loss \([0-9]*\).*/\1/p' err)
[ "$last_loss" -lt "$first" ] || fail "it learnt nothing: $first, $last_loss"
expect_lines base.facts.tsv 91
[ "$(head -1 base.facts.tsv | tr '\t' ' ')" = "question answer relation split kind list_right list_wrong text_right text_wrong instruct wrong ood" ] || fail "header"
awk -F'\t' 'NR > 1 { n[$5]++
    if ($5 == "none" && $6 + $7 + $8 + $9 || $5 == "balanced" && $6 $7 $8 $9 != "1111" || $5 == "clean" && ($6 + $8 < 2 || $6 + $8 > 4 || $7 + $9)) bad = 1 }
    END { exit bad || n["none"] < 12 || n["none"] > 24 }' base.facts.tsv || fail "the table's counts"
expect_exit 0 "$slick" inspect base.gguf
expect_match out llama tiny
expect_exit 0 "$slick" tokenize base.gguf 'A: Place3' --json
a=$(sed 's/.*"ids":\[[0-9,]*,\([0-9]*\)\].*/\1/' out)
expect_exit 0 "$slick" tokenize base.gguf 'Place3' --json
[ "$(sed 's/.*"ids":\[\([0-9,]*\)\].*/\1/; s/.*,//' out)" = "$a" ] || fail "an answer has other tokens at the beginning of a text"
expect_exit 0 "$slick" import base.facts.tsv --name tiny
expect_exit 0 "$slick" facts
expect_match out '^R0 ' '^R2 .*ood'
expect_exit 0 "$slick" probe base.gguf --n-ex 2 --shots 2 --samples 4 --dtype f32 --quiet
sed -n '1p;/\ttrain\t/p' base.facts.tsv >train.tsv
expect_exit 0 "$slick" train base.gguf train.tsv -o run --epochs 1 --batch 16 --no-store --dtype f32 --quiet

# --- the same bytes -------------------------------------------------------------------------------------------------------------------------
expect_exit 0 "${pretrain[@]}" -o again.gguf --json --quiet
expect_lines out 7
expect_json out 1 pass
LINE=7 expect_json out again.facts.tsv facts
cmp base.gguf again.gguf && cmp base.facts.tsv again.facts.tsv || fail "another run, another model"
expect_exit 0 "${pretrain[@]}" -o again.gguf
expect_match err 'again\.gguf: finished already'
cmp -s base.gguf again.gguf || fail "a finished run was changed"
expect_exit 0 "${pretrain[@]}" -o other.gguf --seed 1 --quiet
cmp -s base.gguf other.gguf && fail "the seed changes nothing"

set -m
killed=0
for _ in $(seq 20); do # until one was killed in its middle
    "${pretrain[@]}" -o killed.gguf --save-every 0.00001 >out 2>err &
    pid=$!
    for _ in $(seq 400); do
        [ -e killed.state.safetensors ] && break
        kill -0 $pid 2>/dev/null || break
        sleep 0.01
    done
    kill -9 $pid 2>/dev/null || true
    wait $pid 2>/dev/null || true
    [ -e killed.gguf ] || [ ! -e killed.state.safetensors ] || killed=1
    [ $killed = 1 ] && break
    rm -f killed.*
done
set +m
last="the killed run"
[ $killed = 1 ] || fail "no run could be killed"
expect_exit 0 "${pretrain[@]}" -o killed.gguf
expect_match err 'killed\.gguf: goes on after step [0-9]'
cmp base.gguf killed.gguf && cmp base.facts.tsv killed.facts.tsv || fail "a run that was killed gives another model"
[ "$(find . -name 'killed.*' | wc -l)" = 2 ] || fail "files are left: $(ls)"

# --- what is refused --------------------------------------------------------------------------------------------------------------------------
sed 's/lr: 1e-2/lr: 2e-2/' plan.yaml >fast.yaml
expect_error 1 'base\.gguf: .*training\.lr was 0\.01, is 0\.02.*--force' "$slick" pretrain fast.yaml -o base.gguf --quiet
echo text >text.gguf
expect_error 1 'text\.gguf' "${pretrain[@]}" -o text.gguf --quiet
expect_error 2 '--output' "${pretrain[@]}"
expect_error 2 'ends in \.gguf' "${pretrain[@]}" -o base
expect_error 2 'PLAN is missing' "$slick" pretrain -o x.gguf
expect_error 1 'nosuch\.yaml' "$slick" pretrain nosuch.yaml -o x.gguf --quiet
refused() { # SED-EXPRESSION REGEX
    sed "$1" plan.yaml >bad.yaml
    expect_error 1 "^slick: bad\.yaml:$2" "$slick" pretrain bad.yaml -o x.gguf --quiet
    [ -z "$(ls x.* 2>/dev/null)" ] || fail "files for nothing"
}
refused 's/seed/sed/; s/^name: tiny/nam: tiny/' '1: nam: unknown key, did you mean name'
refused 's/passes: 6/passes: 0/' '5: training\.passes: found .0., expected a whole number from 1'
refused 's/share: 40, list/share: 61, list/' '8: kinds\.share: the shares up to here are 101%'
refused 's/{answer}\."/{anser}"/' '10: statements\.others: .*no braces but'
refused 's/others:/R0:/' ' statements: none for relation .R1., and no others'
refused 's/row_tokens: 96/row_tokens: 16/' ' corpus\.row_tokens: a row has 16 tokens'
expect_exit 0 "$slick" pretrain --new
mv out new.yaml
sed -i "s/^facts: .*/facts: facts.jsonl/; s/passes: .*/passes: 1/; s/d_model: .*/d_model: 16/; s/layers: .*/layers: 1/" new.yaml
expect_exit 0 "$slick" pretrain new.yaml -o new.gguf --quiet

# --- a full disk: no file may grow beyond so many KiB: the first model (180) fits, the checkpoint does not -------------------------------------
expect_error 1 '^slick: full\.state\.safetensors: .*cannot write' bash -c 'trap "" XFSZ; ulimit -f 250; exec "$@"' _ "${pretrain[@]}" -o full.gguf --quiet
expect_exit 0 "${pretrain[@]}" -o full.gguf --quiet
cmp base.gguf full.gguf || fail "another model after a full disk"
exit 0
