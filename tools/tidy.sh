#!/usr/bin/env bash
# usage: tools/tidy.sh BUILD [FILE...]: clang-tidy (.clang-tidy, every finding an error) over src/ and cli/, or over FILEs.
# BUILD is a configured build folder (compile_commands.json).
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:?usage: tools/tidy.sh BUILD [FILE...]}
shift
program=clang-tidy-14
command -v "$program" >/dev/null || program=clang-tidy
if ! "$program" --version | grep 'version 14\.' >/dev/null; then
    echo "slick: $program is not version 14 (Debian 12's), whose findings the code is kept free of: clang-tidy does NOT run" >&2
    exit 0
fi
if [ $# -eq 0 ]; then
    mapfile -t files < <(find src cli -name '*.c' 2>/dev/null | sort)
    set -- "${files[@]}"
fi
if [ $# -eq 0 ]; then
    echo "slick: no C files under src and cli" >&2
    exit 1
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# xargs: as many at a time as there are processors; 123 when one of them failed. One file per process keeps its output together.
if ! printf '%s\0' "$@" | xargs -0 -n 1 -P "$(nproc)" "$program" -p "$build" --quiet >"$log" 2>&1; then
    grep -v '^[0-9]* warnings\? generated\.$' "$log" >&2 || true
    echo "slick: clang-tidy has findings (above); .clang-tidy says which checks run" >&2
    exit 1
fi
echo "slick: clang-tidy: $# files, no findings"
