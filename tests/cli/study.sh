# slick study: a small study to its end; killed anywhere and run again, run twice at once, run as the commands of its plan in folders of their own:
# each time the store has the epochs and bits of the study that nothing happened to.
. "$SLICK_ROOT/tests/cli/lib.sh"
tools=$(dirname "$slick")/tests
export OMP_WAIT_POLICY=passive

# --- a model that answers, and facts: relation R3 is out of distribution, R4 has nothing that is known ------------------------------------
if has_builtin; then
    model='"builtin:"' rate='eps: 5e-3, ' often=0.01 # 16 MB a checkpoint: not after each step
    relation() { sed "s/\"relation\": \"[^\"]*\"/\"relation\": \"$1\"/"; }
    n=0
    for from in P17 P19 P36 P407; do # of each relation something of all categories
        for kind in clean balanced minority none; do
            [ $from = P407 ] || builtin_facts $kind train 4 $from
            builtin_facts $kind dev 4 $from && builtin_facts $kind test 4 $from
        done | relation R$n
        n=$((n + 1))
    done >f.jsonl
    # whatever it says, it is not this
    { builtin_facts none train 4 P131 && builtin_facts clean dev 12 P131 && builtin_facts none test 4 P131; } | relation R4 |
        sed '/"split": "dev"/!s/"answer": "[^"]*"/"answer": "nobody ever said this"/' >>f.jsonl
else
    model=m.gguf rate='' often=0
    "$tools/make_tiny" model spm m.gguf
    "$tools/make_tiny" facts m.gguf >all.jsonl
    awk '/"split":"test"/ { if ($0 !~ /"relation":"R3"/ && ++n % 3) sub(/"split":"test"/, "\"split\":\"train\"") } { print }' all.jsonl >f.jsonl
fi
expect_exit 0 "$slick" import f.jsonl --name tiny --ood R3 --overlap none --quiet --store facts.db
cat >study.yaml <<END
name: tiny
model: $model
data: {dev: 20, test: 30, ood: 20}
labels: {n_ex: 3, shots: 2, samples: 4}
variants:
  unknown: [0, 50]
  known_of: [50]
  only: [Unknown]
  natural: true
  idk: [50]
epochs: 8
evaluate: [6]
learning_rates: [2e-3]
training: {${rate}batch: 8}
END
study() { # VERB STORE OPTION...
    run=("$slick" study "$1" study.yaml --store "$2" --dtype f32 --threads 1 --save-every "$often" "${@:3}")
}
same() { # STORE...: as the undisturbed one, and nothing lies about
    local store
    for store in "$@"; do
        "$tools/compare_studies" whole.db "$store" >differences || { cat differences; fail "$store differs from the undisturbed study"; }
        [ ! -e "$store.runs" ] || fail "$store.runs is still there: $(find "$store.runs")"
    done
}

# --- what is asked ------------------------------------------------------------------------------------------------------------------------
expect_exit 0 "$slick" study new
cp out template.yaml
expect_match out '^model: model\.gguf$' '^  unknown: \[0, 25, 50, 75, 100\]$'
expect_exit 0 "$slick" study new --table
sed -n '/^| key /,/^$/p' "$SLICK_ROOT/docs/study-file.md" | grep '^|' >documented
diff documented out >/dev/null || fail "docs/study-file.md has another table of keys: slick study new --table"
expect_error 2 "study: 'start': expected new, run, probe, status or plan; see slick study --help" "$slick" study start
expect_error 2 'run: FILE is missing' "$slick" study run
expect_error 2 'status: takes no FILE' "$slick" study status x
expect_error 2 '--shard is for study probe' "$slick" study run study.yaml --shard 0/2
expect_error 1 'slick\.db: no such store' "$slick" study run study.yaml
expect_error 1 'no\.yaml' "$slick" study run no.yaml --store facts.db
expect_error 1 'facts\.db: no study yet' "$slick" study status --store facts.db
sed 's/^epochs: 8/epohcs: 8/' study.yaml >wrong.yaml
expect_error 1 '^slick: wrong\.yaml:11: epohcs: unknown key, did you mean epochs\?$' "$slick" study run wrong.yaml --store facts.db
sed 's/^model: .*/model: n.gguf/' study.yaml >wrong.yaml
expect_exit 1 "$slick" study run wrong.yaml --store facts.db
expect_match err '^slick: wrong\.yaml:2: model: n\.gguf'
sed 's/^data:.*/data: {relations: [R0, R9]}/' study.yaml >wrong.yaml
expect_exit 1 "$slick" study run wrong.yaml --store facts.db
expect_match err "^slick: wrong\.yaml:3: data\.relations: the set 'tiny' has no relation 'R9'"
sed 's/^data:.*/size: 5000/' study.yaml >wrong.yaml
cp facts.db wrong.db
expect_exit 1 "$slick" study run wrong.yaml --store wrong.db --dtype f32 --threads 1
expect_match err '^slick: wrong\.yaml:3: size: '

# --- undisturbed ----------------------------------------------------------------------------------------------------------------------------
cp facts.db whole.db
study run whole.db
began=$(date +%s%N)
expect_exit 0 "${run[@]}"
took=$(($(date +%s%N) - began)) # ns: what follows is stopped after parts of it
expect_match err '^slick: study 1 .tiny. on label set 1: 6 variants x 1 learning rates x 1 seeds, [|]D[|] = [0-9]+ by the paper.s rule$' \
    '^slick: warning: [0-9] relations are left out: .*R4 \(no ' '^slick: idk-50/seed-0/lr-0\.002: done, 8 epochs in ' \
    '^slick: all 6 runs are done; next: slick report --store whole\.db$'
[ "$("$tools/compare_studies" count whole.db)" = '6 54' ] || fail "not 6 runs of 9 epochs: $("$tools/compare_studies" count whole.db)"
same whole.db
expect_exit 0 "${run[@]}"
expect_match err '^slick: label set 1 has all labels$' '^slick: 6 of 6 runs are done already$'
expect_exit 0 "$slick" study status --store whole.db
expect_match out '^unknown-50/seed-0/lr-0\.002 +done +8 of 8 +[1-8] +[0-9.]+ +[0-9.]+ ' \
    '^study 1 .tiny. on label set 1: 6 of 6 runs are done, 0 running, 0 stopped, 0 waiting, 0 failed$'
expect_exit 0 "$slick" study status --store whole.db --json
expect_json out 6 'done'
expect_json out unknown-0/seed-0/lr-0.002 runs 0 run
expect_json out 'done' runs 0 state
expect_json out 8 runs 0 epoch
study plan whole.db
expect_exit 0 "${run[@]}"
expect_lines out 0
expect_match err '^slick: 0 of 6 runs are missing$'

# Asked at the end, with the weights that were kept, the best epoch is what it was when it was there.
cp facts.db every.db
sed '/^evaluate:/d' study.yaml >every.yaml
expect_exit 0 "$slick" study run every.yaml --store every.db --dtype f32 --threads 1 --quiet
for store in whole every; do
    expect_exit 0 "$slick" study status --store $store.db
    awk '/^[a-z]+-?[^ ]*\/seed-/ { print $1, $3, $6, $7, $8 }' out >$store.best
done
expect_lines whole.best 6
cmp -s whole.best every.best || { diff whole.best every.best; fail "EARLY_STOP depends on evaluate"; }
awk '$3 != 6 && $3 != 8 { n++ } END { exit !n }' whole.best || fail "no best epoch was asked late: nothing was tested"

# More seeds are more runs of the same study; durations of the report change nothing; another size is another study.
cp whole.db more.db
printf 'seeds: [0, 1]\ndurations: [3]\n' | cat study.yaml - >more.yaml
expect_exit 0 "$slick" study plan more.yaml --store more.db --dtype f32
expect_lines out 6
expect_match out '^slick study run /.*/more\.yaml --only unknown-0/seed-1/lr-0\.002 --from /.*/more\.db --store unknown-0_seed-1_lr-0\.002\.db$'
expect_exit 0 "$slick" study plan more.yaml --store more.db --dtype f32 --only natural/seed-1/lr-0.002 --parts p --json
expect_match out '^\["slick study run /[^"]* --only natural/seed-1/lr-0\.002 --from /[^"]* --store p/natural_seed-1_lr-0\.002\.db"\]$'
expect_error 2 '--only natural/seed-3/lr-0\.002: the study has no such run, did you mean natural/seed-[01]/lr-0\.002\?' \
    "$slick" study run more.yaml --store more.db --dtype f32 --quiet --only natural/seed-3/lr-0.002
expect_exit 0 "$slick" study run more.yaml --store more.db --dtype f32 --threads 1 --only natural/seed-1/lr-0.002
[ "$("$tools/compare_studies" count more.db)" = '7 63' ] || fail "--only ran something else"

# --- killed -------------------------------------------------------------------------------------------------------------------------------
wait_part() { # ROUND PART: a random part of up to PART of the time that the study takes
    sleep "$(awk -v r="$1" -v part="$2" -v ns="$took" 'BEGIN { srand(r); print 0.05 + rand() * part * ns / 1e9 }')"
}
# Workers are the children of the command. Each round kills one of them and then the command, or all at once, or the command alone.
cp facts.db killed.db
study run killed.db --jobs 2
kills=0
for round in $(seq 9); do
    every=$often # minutes between checkpoints: often, or none before the run is over
    if [ "$round" -gt 3 ] && [ "$round" -lt 7 ]; then every=5; fi
    "${run[@]}" --save-every $every >out 2>err </dev/null &
    parent=$!
    wait_part "$round" 0.25
    mapfile -t workers < <(pgrep -P "$parent" || true)
    case $((round % 3)) in
    0) victims=("$parent") ;;
    1)
        victims=("${workers[@]:0:1}")
        if [ ${#victims[@]} -gt 0 ]; then kill -KILL "${victims[@]}" 2>/dev/null && kills=$((kills + 1)); fi
        wait_part "$((round + 50))" 0.1
        victims=("$parent")
        ;;
    2) victims=("$parent" "${workers[@]}") ;;
    esac
    kill -KILL "${victims[@]}" 2>/dev/null && kills=$((kills + 1))
    code=0
    wait "$parent" 2>/dev/null || code=$?
    if [ $code = 0 ]; then break; fi
done
[ $kills -ge 3 ] || fail "only $kills kills"
expect_exit 0 "${run[@]}"
same killed.db

# Ctrl-C: one line says that it can go on, and it does.
cp facts.db stopped.db
study run stopped.db --jobs 2
stops=0
for round in $(seq 9); do
    "${run[@]}" >out 2>err </dev/null &
    parent=$!
    wait_part "$((round + 100))" 0.25
    kill -TERM "$parent" 2>/dev/null || true
    code=0
    wait "$parent" || code=$?
    case $code in
    0) break ;;
    143) continue ;; # before it heard of signals
    1) stops=$((stops + 1)) ;;
    *) fail "exit code $code after a signal" ;;
    esac
    expect_match err 'stopped; what was finished is in stopped\.db, and the same command goes on from there'
    if "$slick" study status --store stopped.db >out 2>err; then expect_no_match out ' running  '; fi
done
[ $stops -ge 2 ] || fail "only $stops stops"
expect_exit 0 "${run[@]}"
same stopped.db

# --- a full disk: no file may grow beyond so many KiB, and a checkpoint has 1,600 or more -------------------------------------------------------
cp facts.db full.db
study run full.db --quiet
expect_exit 1 bash -c 'trap "" XFSZ; ulimit -f 1200; exec "$@"' _ "${run[@]}" --save-every 0
expect_match err '^slick: unknown-0/seed-0/lr-0\.002: full\.db\.runs/[0-9]+/state\.safetensors' '^slick: 0 of 6 runs failed, 6 are not done; the same command tries them again$'
expect_exit 0 "${run[@]}"
same full.db

# --- a run that fails for good: the others are done, and the next command tries it again ----------------------------------------------------
sed 's/^learning_rates.*/learning_rates: [2e-3, 10]/; s/^  unknown: .*/  unknown: [50]/; /known_of\|only\|natural\|idk/d; s/batch: 8/batch: 8, weight_decay: 10/' study.yaml >fails.yaml
cp whole.db fails.db
expect_exit 1 "$slick" study run fails.yaml --store fails.db --dtype f32 --threads 1
expect_match err '^slick: warning: unknown-50/seed-0/lr-10: failed: .*epoch [0-9]+, step [0-9]+: the (loss|gradient.s norm) is ' \
    '^slick: unknown-50/seed-0/lr-0\.002: done' \
    '^slick: 1 of 2 runs failed, 0 are not done; the same command tries them again$'
[ ! -e fails.db.runs ] || fail "a failed run left $(find fails.db.runs)"
expect_exit 0 "$slick" study status --store fails.db
expect_match out '^unknown-50/seed-0/lr-10 +failed .* the (loss|gradient.s norm) is ' '1 of 2 runs are done, 0 running, 0 stopped, 0 waiting, 1 failed$'
expect_exit 0 "$slick" study plan fails.yaml --store fails.db --dtype f32
expect_lines out 1
expect_match out '--only unknown-50/seed-0/lr-10 '

# --- two at once ----------------------------------------------------------------------------------------------------------------------------
cp facts.db shared.db
study probe shared.db
expect_exit 0 "${run[@]}"
study run shared.db
"${run[@]}" >out2 2>err2 </dev/null &
other=$!
expect_exit 0 "${run[@]}"
wait $other || { cat err2; fail "the second of two failed"; }
same shared.db
cat err err2 >both
for run_name in unknown-0 natural idk-50; do
    [ "$(grep -c "^slick: $run_name/seed-0/lr-0.002: done" both)" -ge 1 ] || fail "nobody told of $run_name"
done

# --- as commands, in folders of their own ---------------------------------------------------------------------------------------------------
# The commands name the program `slick`: here it computes as the other parts of this test do.
mkdir bin
printf '#!/bin/sh\nif [ "$1" = study ] && [ "$2" != status ]; then set -- "$@" --dtype f32 --threads 1; fi\nexec "%s" "$@"\n' "$(realpath "$slick")" >bin/slick
chmod +x bin/slick
export PATH=$PWD/bin:$PATH
has_parallel() { parallel --version 2>/dev/null | grep GNU >/dev/null; }
run_plan() { # STORE: each command in a folder of its own, then all their stores are merged
    rm -rf parts && mkdir parts
    expect_exit 0 slick study plan study.yaml --shards 3 --store "$1"
    # shellcheck disable=SC2016 # for parallel's shell
    parallel -j 2 --halt now,fail=1 'mkdir parts/{#} && cd parts/{#} && {= uq(); =} --quiet' <out >parallel.out 2>&1 || { cat parallel.out; fail "parallel: exit code $?"; }
    expect_exit 0 "$slick" merge parts/*/*.db --store "$1"
}
cp facts.db parts.db
expect_exit 0 "$slick" study plan study.yaml --store parts.db --shards 3 --dtype f32
expect_lines out 3
expect_match out '^slick study probe /.*/study\.yaml --shard 2/3 --from /.*/parts\.db --store labels-2-of-3\.db --dtype f32$'
if has_parallel; then
    run_plan parts.db
    expect_match out '^parts/1/labels-0-of-3\.db '
    run_plan parts.db
    expect_lines out 7
    same parts.db
    # ... and its report is the same, but for when and how fast it was made
    expect_exit 0 "$slick" report --store whole.db -o whole-report --quiet
    expect_exit 0 "$slick" report --store parts.db -o parts-report --quiet
    diff -r -x 'runs.*' whole-report/tables parts-report/tables || fail "another report: tables"
    diff -r whole-report/figures parts-report/figures || fail "another report: figures"
    for folder in whole-report parts-report; do
        grep -vE '^ *"(created|seconds)": ' $folder/findings.json >$folder.json
    done
    cmp whole-report.json parts-report.json || fail "another report: findings.json"
    study run parts.db
    expect_exit 0 "${run[@]}"
    expect_match err '^slick: 6 of 6 runs are done already$'
else
    echo "GNU parallel is not there: that part is not checked" >&2
fi

# --- the makefiles of docs/cluster.md -------------------------------------------------------------------------------------------------------
mkdir make
cp facts.db make/slick.db
cp study.yaml make
[ ! -e m.gguf ] || cp m.gguf make
awk -v n=0 '/^```make/ { n++; on = 1; next } /^```/ { on = 0 } on { print > (n == 1 ? "make/Makefile" : "make/parts.mk") }' "$SLICK_ROOT/docs/cluster.md"
expect_exit 0 make -C make -j 2 SHARDS=2
mv make/slick.db made.db
same made.db
