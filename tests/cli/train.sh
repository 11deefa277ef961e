# slick train: what comes out, that a run killed anywhere ends as one that was not, and what can go wrong.
. "$SLICK_ROOT/tests/cli/lib.sh"
tools=$(dirname "$slick")/tests

# 150 facts, a category in turn. Those of the built-in model have the category that most of their kind have.
categories=(HighlyKnown MaybeKnown WeaklyKnown Unknown)
use_builtin() {
    local i kinds=(clean balanced minority none)
    model=builtin: name=slick-builtin
    for i in 0 1 2 3; do
        builtin_facts ${kinds[i]} train 4 | sed -n "1,38{s/, \"split\": .*/, \"category\": \"${categories[i]}\"}/;p}" >kind.$i
        expect_lines kind.$i 38
    done
    paste -d '\n' kind.? >pool.jsonl
}
use_tiny() { # a model of seeded numbers, and questions of two of its words
    local i words=(lak mir bel ona kes rin sal dun vey gol per hes umb nal cor tiv)
    model=tiny.gguf name=tiny
    "$tools/make_tiny" model spm tiny.gguf
    for i in $(seq 0 151); do
        echo "{\"question\": \"Where is ${words[i % 16]} ${words[i / 16 % 16]}?\", \"answer\": \"${words[(i * 7 + 3) % 16]}\", \"relation\": \"r$((i % 2))\", \"category\": \"${categories[i % 4]}\"}"
    done >pool.jsonl
}
facts() { sed -n "$(($1 + 1)),$(($2 + 1))p" pool.jsonl; } # FROM TO
prepare() { # OPTION...: data files, and the command
    facts 0 39 >d.jsonl
    facts 40 59 >dev.jsonl
    facts 60 79 >test.jsonl
    facts 80 89 >ood.jsonl
    train=("$slick" train "$model" d.jsonl --epochs 4 --batch 8 --lr 2e-3 --dtype f32 --threads 1 --no-store --dev dev.jsonl --test test.jsonl --ood ood.jsonl --stop epochs "$@")
}
if has_builtin; then use_builtin; else use_tiny; fi
prepare --eps 5e-3
# What must not depend on being stopped: models, logs but for the rate, what is fitted.
same_run() { # A B
    local file
    for file in last/model.safetensors last/config.json last/tokenizer.json best/model.safetensors fitted.jsonl examples.jsonl; do
        cmp -s "$1/$file" "$2/$file" || fail "$file of $1 and $2 differ"
    done
    cmp -s <(sed 's/"tokens_per_s":[^,}]*//' "$1/log.jsonl") <(sed 's/"tokens_per_s":[^,}]*//' "$2/log.jsonl") ||
        fail "log.jsonl of $1 and $2 differ"
}

# --- what comes out ---------------------------------------------------------------------------------------------------------------
expect_exit 0 "${train[@]}" -o whole
expect_match err '^slick: memory: [0-9.]+ MB \(weights ' "^slick: training $name on 40 examples, [0-9,]+ values, at most 4 epochs of 5 steps" \
    '^slick: whole/last: epoch 4; whole/best: the best, epoch [1-4] \(dev [0-9.]+%\)$'
expect_no_match err 'warning'
best=$(sed -n 's/.*the best, epoch \([0-9]*\) .*/\1/p' err)
expect_lines out 6
expect_match out '^epoch +loss +fitted +Known +Unknown +dev +test +ood +lost +gained +tokens/s +left$' \
    '^ +0 +- +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9]+ +[0-9]+ +- +-$' '^ +4 +[0-9.]+ .* [0-9,]+ +-$'
expect_no_match out $'\033'
cut -c -$(($(wc -L <out) - 26)) out >table # without tokens/s and left
expect_lines whole/log.jsonl 5
expect_lines whole/fitted.jsonl 5
expect_lines whole/examples.jsonl 40
expect_match whole/log.jsonl '^\{"epoch":0,"step":0,"loss":null,"steps":\[\],"fitted":\{"all":' \
    '^\{"epoch":1,"step":5,"loss":[0-9.]+,"steps":\[\{"loss":[0-9.]+,"grad_norm":[0-9.]+,"lr":0\.002\},.*"dev":[0-9.]+,"test":\{"all":[0-9.]+,"HighlyKnown":.*\},"ood":[0-9.]+,"lost":[0-9]+,"gained":[0-9]+,.*,"tokens_per_s":[0-9.]+\}$'
LINE=5 expect_json whole/log.jsonl 20 step
expect_match whole/fitted.jsonl '^\{"epoch":4,"n_fitted":[0-9]+,"fitted":"[01]{40}"\}$'
expect_match whole/config.json '"lr":0\.002' '"stop":"epochs"' "\"model\":\"$model\""
expect_exit 0 "$slick" inspect whole/best
# best and last are models: asked again, they answer as they did in training
value_of() { # FILE LINE KEY...
    cmake -P "$SLICK_ROOT/tests/cli/json.cmake" "$@" && cat json.value
}
for which in best last; do
    [ $which = best ] && line=$((best + 1)) || line=5
    want=$(value_of whole/log.jsonl $line test all)
    expect_exit 0 "$slick" eval whole/$which test.jsonl --dtype f32 --json --quiet
    expect_json out "$want" all accuracy
done

# --- what it does to a model that knows something -----------------------------------------------------------------------------------
if [ "$model" = builtin: ]; then
    fit=("${train[@]}" --epochs 12 --lr 1e-3 --dropout 0 --quiet)
    expect_exit 0 "${fit[@]}" -o fit
    at() { awk -v x="$(value_of fit/log.jsonl "$1" fitted "$2")" -v op="$3" -v bound="$4" 'BEGIN { exit !(op == "<" ? x <= bound : x >= bound) }' ||
        fail "line $1 of fit/log.jsonl: $2 is $(cat json.value), expected $3 $4"; }
    at 1 Unknown '<' 0.2 # before: nothing of what it never read ...
    at 1 all '<' 0.6
    at 13 all '>' 0.9 # ... afterwards all, the facts of no answer before, too
    at 13 Unknown '>' 0.7
    at 13 HighlyKnown '>' 0.9
    # The answers to what it was trained on are those of the data now, and the facts that it was not trained on are no better known for it.
    expect_exit 0 "$slick" eval builtin: d.jsonl --dtype f32 --jsonl --quiet
    before=$(grep -c '"right":true' out || true)
    expect_exit 0 "$slick" eval fit/last d.jsonl --dtype f32 --jsonl --quiet
    after=$(grep -c '"right":true' out)
    [ "$after" -ge 36 ] && [ "$before" -le $((after - 12)) ] || fail "right: $before of 40 before, $after after"
    at_test() { value_of fit/log.jsonl "$1" test Unknown; }
    awk -v x="$(at_test 13)" 'BEGIN { exit !(x <= 0.4) }' || fail "Unknown test facts are known: $(at_test 13)"
    # An adapter does the same, and merged into the model it is the model beside it.
    expect_exit 0 "${fit[@]}" -o fit-lora --lora-rank 8 --lr 1e-2
    expect_exit 0 "$slick" eval builtin: d.jsonl --adapter fit-lora/last --dtype f32 --jsonl --quiet
    cp out beside.jsonl
    after=$(grep -c '"right":true' out)
    [ "$after" -ge 34 ] || fail "right with the adapter: $after of 40"
    for merged in merged merged.gguf; do
        expect_exit 0 "$slick" convert builtin: --merge fit-lora/last --dtype F32 -o $merged --quiet
        expect_exit 0 "$slick" eval $merged d.jsonl --dtype f32 --jsonl --quiet
        differ=$(diff out beside.jsonl | grep -c '^<' || true)
        [ "$differ" -le 2 ] || fail "$merged: $differ of 40 answers are other ones than the adapter's"
    done
fi

# --- the same again; something else -------------------------------------------------------------------------------------------------
expect_exit 0 "${train[@]}" -o whole
expect_match err '^slick: whole: finished after epoch 4; the best was epoch [1-4] \(dev [0-9.]+%\)$'
cmp -s <(cut -c -$(($(wc -L <out) - 26)) out) table || fail "the table of a finished run is another one"
expect_exit 0 "${train[@]}" -o whole --json --quiet
[ -s err ] && fail "--quiet is not quiet"
cmp -s out whole/log.jsonl || fail "--json is not log.jsonl"
refused() { # REGEX OPTION...
    expect_error 1 "^slick: whole: was begun otherwise: $1 \(--force starts anew\)$" "${train[@]}" -o whole --quiet "${@:2}"
}
refused 'lr was 0\.002, is 0\.003' --lr 3e-3
refused 'batch was 8, is 9; dropout was 0\.05, is 0\.1' --batch 9 --dropout 0.1
refused 'seed was "0", is "5"' --seed 5
refused 'threads was 1, is 2' --threads 2
refused 'epochs was 4, is 5' --epochs 5
refused 'lora was null, is \{"rank":4,.*' --lora-rank 4
refused 'freeze was \[\], is \["ffn"\]' --freeze ffn
facts 60 78 >other.jsonl
refused 'data\.test\.n was 20, is 19; data\.test\.hash was "[0-9a-f]{16}", is "[0-9a-f]{16}"' --test other.jsonl
"$tools/make_tiny" model bpe other.gguf
expect_error 1 'whole: was begun otherwise: (model\.name was [^;]*; )?model\.hash was ' "$slick" train other.gguf "${train[@]:3}" -o whole --quiet
sed '7s/"answer": "/&x/' d.jsonl >d2.jsonl
expect_error 1 'whole: was begun otherwise: data\.train\.hash was ' "$slick" train "$model" d2.jsonl "${train[@]:4}" -o whole --quiet
mv d.jsonl moved.jsonl # the same data from elsewhere is the same data
expect_exit 0 "$slick" train "$model" moved.jsonl "${train[@]:4}" -o whole --quiet
mv moved.jsonl d.jsonl

# --- options ------------------------------------------------------------------------------------------------------------------------
expect_exit 0 "$slick" train "$model" d.jsonl -o plain --epochs 1 --no-store --dtype f32 --lr 1e-3
expect_match err '^slick: no dev facts: trains for 1 epoch, and there is no best/$' '^slick: plain/last: epoch 1$'
[ ! -e plain/best ] || fail "a best model without dev facts"
expect_match out '^epoch +loss +fitted +Known +Unknown +tokens/s +left$'
sed 's/, "category": "[A-Za-z]*"//' d.jsonl >bare.jsonl
expect_exit 0 "$slick" train "$model" bare.jsonl -o bare --epochs 1 --no-store --dtype f32
expect_match err '^slick: warning: bare\.jsonl: no record has a category'
[ "$(grep -c warning err)" = 1 ] || fail "more than one warning"
expect_match out '^epoch +loss +fitted +tokens/s +left$'
expect_exit 0 "$slick" train "$model" d.jsonl -o early --no-store --dtype f32 --dev dev.jsonl --patience 2 --lr 1e-30 --quiet
expect_lines early/log.jsonl 4 # nothing gets better: epochs 0, 1, and two more
expect_exit 0 "${train[@]}" -o whole --force --lr 1e-3 --epochs 1
expect_lines whole/log.jsonl 2
expect_exit 0 "${train[@]}" -o gguf --save-as gguf --epochs 1 --quiet
[ -s gguf/last.gguf ] && [ ! -e gguf/last ] || fail "--save-as gguf"
expect_exit 0 "${train[@]}" -o frozen --freeze ffn,embeddings --epochs 1 --schedule cosine --warmup 2 --weight-decay 0.1 --betas 0.8,0.9 --no-share --batch-tokens 30 --recompute yes --quiet
expect_match frozen/log.jsonl '"lr":0\.001\}.*"lr":0\.002\}'

# LoRA: the folder is an adapter, and so is the file beside it
expect_exit 0 "${train[@]}" -o lora --lora-rank 4 --lora-targets q,v_proj,up --lora-dropout 0.1 --lr 1e-2
expect_match err "^slick: training $name with an adapter on "
expect_match lora/last/adapter_config.json '"r": ?4' '"lora_alpha": ?8'
want=$(value_of lora/log.jsonl 5 test all)
for adapter in lora/last lora/last.gguf; do
    expect_exit 0 "$slick" eval "$model" test.jsonl --adapter $adapter --dtype f32 --json --quiet
    expect_json out "$want" all accuracy
done
expect_exit 0 "${train[@]}" -o lora_again --lora-rank 4 --lora-targets v,q,up --lora-dropout 0.1 --lr 1e-2 --quiet
cmp -s lora/last/adapter_model.safetensors lora_again/last/adapter_model.safetensors || fail "LoRA is not repeatable"

# --- the store's splits ---------------------------------------------------------------------------------------------------------------
{ facts 100 119 | sed 's/}$/, "split": "dev"}/' && facts 120 149 | sed 's/}$/, "split": "test"}/'; } | sed 's/"relation": "[^"]*"/"relation": "r"/' >all.jsonl
expect_exit 0 "$slick" import all.jsonl --name tiny --quiet
expect_exit 0 "$slick" train "$model" d.jsonl -o s1 --epochs 1 --dtype f32 --eval-limit 10
expect_match err 'slick\.db: no labels of test facts by this model' '^slick: dev: 10 of 20 facts of the store' '^slick: test: 10 of 30 facts'
expect_exit 0 "$slick" probe "$model" --n-ex 2 --shots 1 --samples 4 --limit 12 --dtype f32 --quiet
expect_exit 0 "$slick" train "$model" d.jsonl -o s2 --epochs 1 --dtype f32 --eval-limit 0
expect_match err "^slick: label set 1: $name in f32" '^slick: test: 12 facts of the store$' '^slick: dev: 20 facts'
expect_match out '^epoch .* lost +gained'
expect_error 1 'no label set 9' "$slick" train "$model" d.jsonl -o s3 --labels 9 --quiet
expect_error 1 'nosuch' "$slick" train "$model" d.jsonl -o s3 --set nosuch --quiet
expect_error 1 'none\.db: no such store' "$slick" train "$model" d.jsonl -o s3 --store none.db --quiet
expect_exit 0 "$slick" train "$model" d.jsonl -o s4 --epochs 1 --dtype f32 --dev d.jsonl --no-store
expect_match err '^slick: warning: 40 of 40 dev facts are training examples, too$'

# --- data that cannot be trained on ----------------------------------------------------------------------------------------------------
bad() { # REGEX RECORD...
    printf '%s\n' "${@:2}" >bad.jsonl
    expect_error 1 "^slick: $1" "$slick" train "$model" bad.jsonl -o bad --no-store --quiet
    [ ! -e bad ] || fail "a folder was made for nothing"
}
: >bad.jsonl
expect_error 1 '^slick: bad\.jsonl:1: no facts at all$' "$slick" train "$model" bad.jsonl -o bad --no-store --quiet
bad 'bad\.jsonl:1: .*answer' '{"question": "Where is lak?"}'
bad 'bad\.jsonl:1: .*answer' '{"question": "Where is lak?", "answer": ""}'
bad 'bad\.jsonl:2: .*category.*Known' '{"question": "Where is mir?", "answer": "mir"}' '{"question": "Where is lak?", "answer": "lak", "category": "Known"}'
many=$(for _ in $(seq 1100); do printf 'lak '; done)
bad 'bad\.jsonl:2: .*context' '{"question": "Where is mir?", "answer": "mir"}' "{\"question\": \"Where is lak?\", \"answer\": \"$many\"}"
expect_error 1 'nosuch' "$slick" train "$model" nosuch.jsonl -o bad --quiet
expect_error 1 'nosuch' "$slick" train nosuch.gguf d.jsonl -o bad --no-store --quiet
expect_error 1 'no/such' "$slick" train "$model" d.jsonl -o no/such/folder --no-store --quiet
mkdir other && touch other/file
expect_error 1 'other: has files of something else \(file\)' "$slick" train "$model" d.jsonl -o other --no-store --quiet
expect_error 2 '--output' "$slick" train "$model" d.jsonl
expect_error 2 '--stop early needs dev facts' "$slick" train "$model" d.jsonl -o bad --stop early --no-store --quiet
expect_error 2 'exclude each other' "$slick" train "$model" d.jsonl -o bad --stop epochs --patience 3
expect_error 2 '--lora-rank is missing' "$slick" train "$model" d.jsonl -o bad --lora-alpha 3
expect_error 2 '--lora-targets w: expected q, k' "$slick" train "$model" d.jsonl -o bad --lora-rank 3 --lora-targets q,w
expect_error 2 '--freeze head' "$slick" train "$model" d.jsonl -o bad --freeze head
expect_error 2 '--betas 0.9: expected two' "$slick" train "$model" d.jsonl -o bad --betas 0.9

# --- from here on with a model a tenth of the size, since much is written: a checkpoint after each step -----------------------------------
use_tiny
prepare --save-every 0.0001
rm -r whole
expect_exit 0 "${train[@]}" -o whole --quiet

# --- killed at any moment -----------------------------------------------------------------------------------------------------------
# The times of the whole run say where to kill; each try gets a little further, and has what the one before it left.
began=$(date +%s%N)
expect_exit 0 "${train[@]}" -o timed --quiet
whole_ms=$((($(date +%s%N) - began) / 1000000))
same_run whole timed
kills=0
for round in 1 2 3; do
    rm -rf killed
    for try in $(seq 60); do
        ms=$(((RANDOM % 100 + 3 * try) * whole_ms / 200 + 1))
        code=0
        timeout -s KILL "$((ms / 1000)).$(printf %03d $((ms % 1000)))" "${train[@]}" -o killed --quiet >out 2>err || code=$?
        last="round $round, killed after $ms ms for the ${try}th time"
        [ $code = 0 ] && break
        [ $code = 137 ] || fail "exit code $code"
        [ -e killed/state.safetensors ] && kills=$((kills + 1))
    done
    [ $code = 0 ] || fail "never came to its end"
    same_run whole killed
    for trace in killed/*.tmp.*; do [ ! -e "$trace" ] || fail "$trace was left behind"; done
done
[ $kills -ge 3 ] || fail "only $kills runs were killed after a checkpoint"

# --- Ctrl-C -------------------------------------------------------------------------------------------------------------------------
long=("${train[@]}" --epochs 400 --lr 1e-4)
set -m
"${long[@]}" -o stopped >out 2>err &
pid=$!
for _ in $(seq 600); do
    [ -s stopped/log.jsonl ] && [ "$(wc -l <stopped/log.jsonl)" -gt 2 ] && break
    kill -0 $pid 2>/dev/null || fail "the run ended before it could be stopped"
    sleep 0.05
done
"${long[@]}" -o stopped --quiet >out2 2>err2 && fail "two runs in one folder"
expect_match err2 '^slick: stopped: another slick train is at work in this folder$'
kill -INT $pid
code=0
wait $pid || code=$?
set +m
last="the interrupted run"
[ $code = 1 ] || fail "exit code $code after Ctrl-C"
n=$(wc -l <stopped/log.jsonl)
"${long[@]}" -o stopped --json >out 2>err &
pid=$!
for _ in $(seq 600); do
    [ "$(wc -l <stopped/log.jsonl)" -gt "$n" ] && break
    sleep 0.05
done
kill -9 $pid
wait $pid || true
expect_match err "^slick: stopped: goes on after step [0-9]+, in epoch [0-9]+$"
head -n "$n" out >again
head -n "$n" stopped/log.jsonl | cmp -s - again || fail "--json does not begin with what was done before"

# a broken checkpoint
cp -r timed broken && head -c 500 timed/state.safetensors >broken/state.safetensors
expect_error 1 '^slick: broken/state\.safetensors: .*\(--force starts anew\)$' "${train[@]}" -o broken --quiet
rm broken/state.safetensors
expect_error 1 'lr was 0\.002, is 0\.003' "${train[@]}" -o broken --lr 3e-3 --quiet
expect_exit 0 "${train[@]}" -o broken --quiet # config.json alone: begins anew
same_run timed broken

# a rate that no model survives
code=0
"$slick" train "$model" d.jsonl -o wild --no-store --dtype f32 --batch 8 --lr 1e20 --save-every 0.0001 --quiet >out 2>err </dev/null || code=$?
last="a wild rate"
[ $code = 1 ] || fail "exit code $code"
expect_match err '^slick: d\.jsonl:[0-9]+: epoch 1, step [0-9]+: the (loss|gradient.s norm) is '
[ -s wild/state.safetensors ] || fail "no checkpoint was kept"

# --- a full disk ------------------------------------------------------------------------------------------------------------------------
# No file may grow beyond so many KiB: the model (524) fits, the checkpoint (1,600) does not.
rm -rf full
expect_error 1 '^slick: full/state\.safetensors: .*cannot write' bash -c 'trap "" XFSZ; ulimit -f 900; exec "$@"' _ "${train[@]}" -o full --quiet
expect_exit 0 "${train[@]}" -o full --quiet
same_run timed full
# A disk of its own, where this machine lets us: it fills up while the second epoch is trained.
mkdir disk
if mount -t tmpfs -o size=7m tmpfs disk 2>/dev/null; then
    trap 'umount disk' EXIT
    for _ in $(seq 10); do # on a busy machine it may be filled too late
        rm -rf disk/run disk/filler
        set +e
        "${train[@]}" -o disk/run --json --quiet 2>err | while read -r line; do
            [[ $line == '{"epoch":1,'* ]] && dd if=/dev/zero of=disk/filler bs=64k 2>/dev/null
        done
        code=${PIPESTATUS[0]}
        set -e
        [ "$code" = 0 ] || break
    done
    last="a disk that fills up"
    [ "$code" = 1 ] || fail "exit code $code"
    expect_match err '^slick: (.*/)?disk/run/(state\.safetensors|last|best|log\.jsonl|fitted\.jsonl).*: .*No space left'
    rm disk/filler
    expect_exit 0 "${train[@]}" -o disk/run --quiet
    same_run timed disk/run
    dd if=/dev/zero of=disk/filler bs=64k 2>/dev/null || true
    expect_error 1 '^slick: disk/new: .* are free, .* are needed: the checkpoint' "${train[@]}" -o disk/new --quiet
    [ ! -e disk/new ] || fail "a folder was made for nothing"
    umount disk
    trap - EXIT
else
    echo "skipped: cannot mount a small disk"
fi
exit 0
