# What can go wrong while probing: models that are broken, disks that are full, stores that may not be written. Each time one line that names the file,
# exit 1, and a store in which nothing is half-written: it is as it was, or has whole labels and takes the rest later.
. "$SLICK_ROOT/tests/cli/lib.sh"
tools=$(dirname "$slick")/tests
count() { "$tools/compare_labels" count "$1"; }

"$tools/make_tiny" model bpe good.gguf
for i in $(seq 0 149); do
    echo "{\"question\": \"Where is $i?\", \"answer\": \"lak $((i % 7))\", \"relation\": \"r$((i % 2))\", \"split\": \"$([ "$i" -lt 30 ] && echo dev || echo test)\"}"
done >f.jsonl
expect_exit 0 "$slick" import f.jsonl --quiet --store facts.db
probe() { # STORE MODEL OPTION...: as words in the array `run`
    run=("$slick" probe "$2" --store "$1" --shots 1 --n-ex 4 --answers all --dtype f32 --threads 1 --quiet "${@:3}")
}

# --- models -----------------------------------------------------------------------------------------------------------------------
# refused MODEL REGEX: by everything that computes, and the store does not change by a byte
refused() {
    cp facts.db store.db
    probe store.db "$1"
    expect_error 1 "^slick: $1: $2" "${run[@]}"
    cmp -s store.db facts.db || fail "the store changed"
    [ ! -e store.db-wal ] || fail "a journal was left"
    expect_error 1 "^slick: $1: $2" "$slick" logits "$1" --text 'Q: Where?' --dtype f32
}
flaw() { "$tools/make_tiny" model spm flaw.gguf "$1"; }
flaw 1 && refused flaw.gguf 'tensor blk\.1\.ffn_down\.weight is missing'
flaw 2 && refused flaw.gguf 'tensor output_norm\.weight is .*63.*, expected .*64'
flaw 3 && refused flaw.gguf 'tensor blk\.0\.attn_v\.weight is \[64, 64\], expected \[32, 64\]'
flaw 4 && refused flaw.gguf "architecture 'abacus', expected one of llama"
flaw 5 && refused flaw.gguf '.*llama\.block_count'
flaw 6 && refused flaw.gguf '.*output_norm\.weight.* 99'
printf 'GGML' >magic.gguf && tail -c +5 good.gguf >>magic.gguf && refused magic.gguf 'not a GGUF file'
refused missing.gguf '.*No such file'
mkdir folder.gguf && refused folder.gguf 'found a folder'
: >empty.gguf && refused empty.gguf ''
size=$(wc -c <good.gguf)
for i in $(seq 0 63); do
    head -c $((size * i / 64)) good.gguf >cut.gguf
    expect_error 1 '^slick: cut\.gguf: ' "$slick" logits cut.gguf --tokens 1,2,3
done
for i in 1 20 40 63; do head -c $((size * i / 64)) good.gguf >cut.gguf && refused cut.gguf ''; done

# --- facts that the model cannot be asked -------------------------------------------------------------------------------------------
cp facts.db store.db
expect_error 1 'r0.*r1' "$slick" probe good.gguf --store store.db --shots 4 --pool train --quiet
expect_error 1 "no split|no facts|nothing" "$slick" probe good.gguf --store store.db --split train --quiet
expect_error 1 'r7' "$slick" probe good.gguf --store store.db --relations r7 --quiet
expect_error 1 '^slick: store\.db: .*nosuch' "$slick" probe good.gguf --store store.db --set nosuch --quiet
expect_error 1 '^slick: none\.db: ' "$slick" probe good.gguf --store none.db --quiet
[ ! -e none.db ] || fail "a store was made"
cmp -s store.db facts.db || fail "the store changed"
{ for _ in $(seq 700); do printf 'lak mir '; done; } >long
echo "{\"question\": \"$(cat long)?\", \"answer\": \"lak\", \"split\": \"test\"}" >long.jsonl
expect_exit 0 "$slick" import long.jsonl --quiet --store long.db
probe long.db good.gguf --shots 0 --n-ex 1
expect_error 1 "^slick: .*prompt of 'lak mir .*[0-9]+ tokens, the model's context 1024" "${run[@]}"

# --- a full disk: no file may grow beyond so many KiB. At first the store's journal reaches that, wherever it is. ----------------------
probe whole.db good.gguf
cp facts.db whole.db
expect_exit 0 "${run[@]}"
total=$(count whole.db)
[ "$total" = 120 ] || fail "$total labels, expected 120"
before=$(($(wc -c <facts.db) / 1024)) after=$(($(wc -c <whole.db) / 1024))
[ $after -ge $((before + 60)) ] || fail "the labels are too small for this test: $before and $after KiB"
for limit in 33 40 50 $((after - before - 1)); do # the journal holds every new page at least once
    cp facts.db full.db
    probe full.db good.gguf
    expect_error 1 '^slick: full\.db: .*(full|I/O|disk)' bash -c 'trap "" XFSZ; ulimit -f "$1"; shift; exec "$@"' _ "$limit" "${run[@]}"
    n=$(count full.db)
    [ "$n" -lt "$total" ] || fail "nothing was missing on a disk with room for files of $limit KiB"
    expect_exit 0 "${run[@]}"
    [ "$(count full.db)" = "$total" ] || fail "$(count full.db) labels after a full disk, expected $total"
    "$tools/compare_labels" same full.db whole.db texts >same.out || { cat same.out; fail "continued after a full disk"; }
done

# --- a store that may not be written ---------------------------------------------------------------------------------------------------
# Root may write anything: become nobody, in a folder that nobody can reach.
place=$(mktemp -d /tmp/slick-cli-XXXXXX)
trap 'chmod -R u+w "$place"; rm -rf "$place"' EXIT
cp "$slick" "$place/slick"
cp facts.db whole.db good.gguf "$place"
chmod 755 "$place"
chmod 444 "$place"/*.db "$place/good.gguf"
chmod 555 "$place" "$place/slick"
as=()
if [ "$(id -u)" = 0 ]; then as=(setpriv --reuid 65534 --regid 65534 --clear-groups); fi
if "${as[@]}" "$place/slick" --version >/dev/null 2>&1; then
    for store in facts whole; do
        run=("${as[@]}" "$place/slick" probe "$place/good.gguf" --store "$place/$store.db" --shots 1 --n-ex 4 --quiet --seed 3)
        expect_error 1 "^slick: $place/$store\.db: .*(read-?only|readonly|[Pp]ermission|write)" "${run[@]}"
        cmp -s "$place/$store.db" $store.db || fail "a read-only store changed"
    done
    expect_exit 0 "${as[@]}" "$place/slick" labels --store "$place/whole.db" --quiet
else
    echo "skipped: cannot become a user without rights"
fi
exit 0
