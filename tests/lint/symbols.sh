#!/usr/bin/env bash
# usage: symbols.sh LIBRARY: what the compiled library exports and calls. Every global symbol begins with slk_; nothing in it
# ends the process, reads the environment or prints (assert() is fine: it guards our own mistakes, never file content).
set -euo pipefail
library=${1:?usage: symbols.sh LIBRARY}
names=$(nm --format=posix "$library")
if ! awk '$2 ~ /^[A-Z]$/ { n++ } END { exit n == 0 }' <<<"$names"; then
    echo "symbols: $library: no symbols" >&2
    exit 1
fi
awk '
BEGIN {
    n = split("exit _exit _Exit quick_exit abort getenv secure_getenv setenv putenv environ stdout stderr printf vprintf " \
              "__printf_chk __vprintf_chk puts putchar perror", list, " ")
    for (i = 1; i <= n; i++) forbidden[list[i]] = 1
}
/:$/ { object = $1; next }
object ~ /\[file\.c\.o\]/ && $1 == "stdout" { next } # base/file.c: an output called "-"
$2 == "U" && ($1 in forbidden) { printf "%s src/ may not use %s (only cli/ may)\n", object, $1; bad = 1 }
$2 ~ /^[TDBRCVW]$/ && $1 !~ /^slk_/ { printf "%s exports %s, which does not begin with slk_\n", object, $1; bad = 1 }
END { exit bad }
' <<<"$names"
