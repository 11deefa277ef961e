# How the command line is read: help, guesses, strict values, exit codes.
. "$SLICK_ROOT/tests/cli/lib.sh"

# --- help -------------------------------------------------------------------------------------------------------------
expect_exit 0 "$slick" --version
expect_match out '^slick [0-9]+\.[0-9]+\.[0-9]+$'
expect_exit 0 "$slick" help
expect_match out '^usage: slick \[GLOBAL OPTIONS\] COMMAND \[ARGUMENTS\]$' '--store FILE .*everything \(default slick.db\)' '^  import '
[ -s err ] && fail "help writes to stderr"
cp out overview
expect_exit 0 "$slick" --help
cmp -s out overview || fail "slick --help and slick help differ"
expect_exit 2 "$slick"
[ -s out ] && fail "slick without a command writes to stdout"
cmp -s err overview || fail "slick without a command should show the overview"

# Every command: one screen with a usage line, the default of each option, two examples.
commands=$(sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p' overview)
[ "$(echo "$commands" | wc -l)" -ge 7 ] || fail "commands listed: $commands"
for command in $commands; do
    expect_exit 0 "$slick" "$command" --help
    expect_match out "^slick $command: " "^usage: slick $command" '^Examples$' '^Global options'
    [ "$(sed -n '/^Examples$/,$p' out | grep -c "slick.* $command")" -ge 2 ] || fail "$command --help: fewer than two examples"
    screen=45
    [ "$command" != train ] || screen=80 # 34 options do not fit one screen
    [ "$(wc -l <out)" -le $screen ] || fail "$command --help is longer than a screen"
    [ "$(awk '{ if (length($0) > n) n = length($0) } END { print n }' out)" -le 110 ] || fail "$command --help: lines too long"
    cp out one
    expect_exit 0 "$slick" help "$command"
    cmp -s out one || fail "slick help $command and slick $command --help differ"
    expect_exit 0 "$slick" "$command" -h
    cmp -s out one || fail "slick $command -h differs"
done
expect_exit 0 "$slick" relabel --help
expect_match out '--n-ex N .*\(default' '--match '

# --- mistakes: exit 2, one line, nothing on stdout ----------------------------------------------------------------------
expect_error 2 'lables: no such command \(did you mean labels\?\)' "$slick" lables
expect_error 2 'xyzzy: no such command; see slick help' "$slick" xyzzy
expect_error 2 'improt: no such command \(did you mean import\?\)' "$slick" help improt
expect_error 2 'labels: unknown option --jsno \(did you mean --json\?\); see slick labels --help' "$slick" labels --jsno
expect_error 2 'unknown option --sore \(did you mean --store\?\)' "$slick" --sore=x facts
expect_error 2 'relabel: unknown option --sample \(did you mean --samples\?\)' "$slick" relabel --sample 3
expect_error 2 'unknown option --zzzzzzzz;' "$slick" facts --zzzzzzzz=1
expect_error 2 'unknown option -z' "$slick" facts -z
expect_error 2 '--seed needs a value' "$slick" facts --seed
expect_error 2 '--store needs a value: FILE, found --json' "$slick" facts --store --json
expect_error 2 '--store: the value is empty' "$slick" facts --store=
expect_error 2 '--json takes no value' "$slick" facts --json=yes
expect_error 2 'facts: one argument too many' "$slick" facts more
expect_error 2 'tokenize: an argument is missing: expected MODEL' "$slick" tokenize
expect_error 2 "--by 'colour': expected relation\|split" "$slick" labels --by colour
expect_error 2 "--dtype 'f16': expected f32\|bf16" "$slick" --dtype f16 facts
for bad in x 1x '' ' 1' 0x10 1.5 -1 99999999999999999999 1e1; do
    expect_error 2 '--threads' "$slick" --threads "$bad" facts
    expect_error 2 '--seed' "$slick" facts "--seed=$bad"
done
expect_error 2 "--threads '0': expected a whole number from 1 to 1024" "$slick" --threads 0 facts

# --- what is allowed -----------------------------------------------------------------------------------------------------
# All these get as far as the store, which is not there.
missing='none.db: '
expect_error 1 "$missing" "$slick" --store none.db facts
expect_error 1 "$missing" "$slick" facts --store none.db
expect_error 1 "$missing" "$slick" facts --store=none.db --seed 18446744073709551615 --threads=2 --dtype bf16 --json --quiet --force
expect_error 1 "$missing" "$slick" --json --store other.db facts --store none.db
expect_error 1 "$missing" "$slick" facts --store none.db --
expect_error 2 'one argument too many' "$slick" facts --store none.db -- --json
[ -e none.db ] && fail "a command that only looks has made a store"
# Threads that wait do not take the time of others, unless somebody wants that.
spins() { env -u OMP_WAIT_POLICY -u GOMP_SPINCOUNT OMP_DISPLAY_ENV=VERBOSE "$@" "$slick" --version 2>&1 | grep SPINCOUNT | tail -1; }
if [ -n "$(spins)" ]; then # GNU's runtime
    spins | grep -q "'1000'" || fail "waiting threads spin: $(spins)"
    spins env GOMP_SPINCOUNT=77 | grep -q "'77'" || fail "GOMP_SPINCOUNT is not left alone: $(spins env GOMP_SPINCOUNT=77)"
fi
exit 0
