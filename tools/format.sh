#!/usr/bin/env bash
# usage: tools/format.sh [--check]: format all C files as .clang-format says, or only say which are not.
set -euo pipefail
cd "$(dirname "$0")/.."
program=clang-format-14
command -v "$program" >/dev/null || program=clang-format
# Other versions lay some lines out differently, so only this one may judge.
if ! "$program" --version | grep 'version 14\.' >/dev/null; then
    echo "slick: $("$program" --version) is not clang-format 14 (Debian 12's): the C format is NOT checked" >&2
    exit 0
fi
mapfile -d '' -t files < <(find src cli tests include bench \( -name '*.c' -o -name '*.h' \) -print0 2>/dev/null | sort -z)
if [ ${#files[@]} -eq 0 ]; then
    echo "slick: no C files under src cli tests include bench" >&2
    exit 1
fi
if [ "${1:-}" = --check ]; then
    if ! "$program" --dry-run --Werror "${files[@]}"; then
        echo "slick: the files above are not formatted: make format" >&2
        exit 1
    fi
    echo "slick: ${#files[@]} C files are formatted"
else
    "$program" -i "${files[@]}"
fi
