# Stores that cannot be used, and output that cannot be written: one line, exit 1, nothing changed.
. "$SLICK_ROOT/tests/cli/lib.sh"

printf '{"question": "a?", "answer": "b", "split": "test"}\n' >f.jsonl
expect_exit 0 "$slick" import f.jsonl --quiet

# --- a file that is no store ------------------------------------------------------------------------------------------------
printf 'just some notes, long enough to be mistaken for nothing else at all\n' >notes.db
cp notes.db notes.before
for command in 'facts' 'labels' 'relabel' 'import f.jsonl' 'merge slick.db'; do
    # shellcheck disable=SC2086 # words on purpose
    expect_error 1 '^slick: notes\.db: ' "$slick" --store notes.db $command
    cmp -s notes.db notes.before || fail "$command changed a file that is no store"
done
expect_error 1 '^slick: notes\.db: ' "$slick" merge notes.db
mkdir folder
expect_error 1 '^slick: folder: ' "$slick" --store folder facts
expect_error 1 '^slick: folder: ' "$slick" --store folder import f.jsonl

# --- a store of another version: SQLite keeps its number at byte 60 of the file ------------------------------------------------
cp slick.db other.db
printf '\0\0\0\143' | dd of=other.db bs=1 seek=60 conv=notrunc status=none
cp other.db other.before
expect_error 1 '^slick: other\.db: .*99' "$slick" --store other.db facts
expect_error 1 '^slick: other\.db: .*99' "$slick" --store other.db import f.jsonl
expect_error 1 '^slick: other\.db: .*99' "$slick" merge other.db
cmp -s other.db other.before || fail "a store of another version was changed"

# --- damaged: the second page overwritten -----------------------------------------------------------------------------------------
cp slick.db damaged.db
head -c 20000 /dev/urandom | dd of=damaged.db bs=4096 seek=1 conv=notrunc status=none
expect_error 1 '^slick: damaged\.db: ' "$slick" --store damaged.db facts

# --- a place where nothing can be written: below a file, which root cannot do either ------------------------------------------------
expect_error 1 '^slick: notes\.db/x\.db: ' "$slick" --store notes.db/x.db import f.jsonl
expect_error 1 '^slick: nowhere/x\.db: ' "$slick" --store nowhere/x.db import f.jsonl
expect_error 1 '^slick: /proc/x\.db: ' "$slick" --store /proc/x.db import f.jsonl
[ -e nowhere ] && fail "a folder was made"

# --- no store at all -----------------------------------------------------------------------------------------------------------------
for command in 'facts' 'labels' 'relabel'; do
    expect_error 1 '^slick: none\.db: no such store \(slick import makes one' "$slick" --store none.db $command
done
expect_error 1 '^slick: none\.db: ' "$slick" --store new.db merge slick.db none.db
[ -e none.db ] || [ -e new.db ] && fail "a store was made"
expect_error 1 'no labels yet' "$slick" labels

# --- standard output ------------------------------------------------------------------------------------------------------------------
for command in 'facts' 'facts --json' 'help' 'facts --help' '--version'; do
    # shellcheck disable=SC2086 # words on purpose
    code=0
    # shellcheck disable=SC2086
    "$slick" $command >/dev/full 2>err || code=$?
    [ $code = 1 ] || fail "slick $command >/dev/full: exit code $code"
    expect_match err '^slick: .*No space left on device$'
    expect_lines err 1
done
# A reader that goes away is nobody's fault: silent, and no failure.
for _ in 1 2 3; do
    { "$slick" facts --json; echo $? >code; } 2>err | true
    [ "$(cat code)" = 0 ] || fail "closed pipe: exit code $(cat code)"
    [ -s err ] && fail "closed pipe: not silent"
done
# Closed standard streams do not end up in the store.
"$slick" facts >&- 2>err || true
"$slick" facts 2>&- >out
expect_match out '^f: 1 fact'
"$slick" import f.jsonl --name g >&- 2>&- <&- || true
expect_exit 0 "$slick" facts
exit 0
