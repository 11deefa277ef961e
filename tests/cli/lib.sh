# Helpers of the shell tests: `. "$SLICK_ROOT/tests/cli/lib.sh"`. Each script gets the program as $1 and an empty current folder.
# A failed expectation prints what was run and what came out, and ends the script.
# shellcheck shell=bash disable=SC2034
slick=$1

fail() {
    echo "FAILED: $*" >&2
    [ -f out ] && sed 's/^/  out: /' out | head -40 >&2
    [ -f err ] && sed 's/^/  err: /' err | head -40 >&2
    exit 1
}

# expect_exit CODE COMMAND...: runs it with stdout in ./out and stderr in ./err.
expect_exit() {
    local want=$1 got=0
    shift
    last="$*"
    "$@" >out 2>err </dev/null || got=$?
    [ "$got" = "$want" ] || fail "exit code $got, expected $want: $last"
}

# expect_match FILE REGEX...: every extended regular expression is found in FILE.
expect_match() {
    local file=$1 regex
    shift
    for regex in "$@"; do
        grep -Eq -- "$regex" "$file" || fail "no match for /$regex/ in $file after: ${last:-}"
    done
}

expect_no_match() {
    if grep -Eq -- "$2" "$1"; then fail "unwanted match for /$2/ in $1 after: ${last:-}"; fi
}

expect_lines() { # FILE COUNT
    [ "$(wc -l <"$1")" -eq "$2" ] || fail "$1 has $(wc -l <"$1") lines, expected $2, after: ${last:-}"
}

# expect_error CODE REGEX COMMAND...: the exit code, nothing on stdout, and exactly one line on stderr, "slick: ...REGEX...".
expect_error() {
    local code=$1 regex=$2
    shift 2
    expect_exit "$code" "$@"
    [ -s out ] && fail "output beside an error: $last"
    [ "$(wc -l <err)" -eq 1 ] || fail "an error is one line: $last"
    expect_match err '^slick: ' "$regex"
}

# expect_json FILE VALUE KEY...: VALUE stands at that path of the JSON in the first line of FILE (KEY: a name or an index; LINE=n: another line).
expect_json() {
    local file=$1 want=$2 got
    shift 2
    rm -f json.value
    cmake -P "$SLICK_ROOT/tests/cli/json.cmake" "$file" "${LINE:-1}" "$@" 2>json.err || fail "$(cat json.err) after: ${last:-}"
    got=$(cat json.value)
    [ "$got" = "$want" ] || fail "$file: $*: found '$got', expected '$want', after: ${last:-}"
}

# Whether the program has the model inside (docs/builtin-model.md), as it must where the checkout has it. Tests of what a model knows, or learns, ask that
# one; without it they do what a model of seeded numbers can do (make_tiny), or nothing, and say so.
has_builtin() {
    local folder=$SLICK_ROOT/data/builtin
    if [ -e "$folder/builtin.gguf" ] && [ -e "$folder/facts.tsv" ]; then
        "$slick" inspect builtin: >/dev/null 2>&1 || fail "$folder/builtin.gguf is there, but not in the program"
        return
    fi
    echo "data/builtin/ is not there: what needs a model that knows something is not checked" >&2
    return 1
}

# builtin_facts KIND SPLIT N [RELATIONS]: of each relation (of those: P17,P36) the first N facts of a kind as lines of JSON. What was told of them, and how
# often, is in docs/builtin-model.md: clean ones are known (84% HighlyKnown), none was never mentioned (89% Unknown), balanced and minority lie between.
builtin_facts() {
    awk -F '\t' -v kind="$1" -v split_="$2" -v n="$3" -v relations="${4-}" '
        NR > 1 && $5 == kind && $4 == split_ && (relations == "" || index("," relations ",", "," $3 ",")) && !/["\\]/ && seen[$3]++ < n {
            printf "{\"question\": \"%s\", \"answer\": \"%s\", \"relation\": \"%s\", \"split\": \"%s\", \"kind\": \"%s\"}\n", $1, $2, $3, $4, $5
        }' "$SLICK_ROOT/data/builtin/facts.tsv"
}
