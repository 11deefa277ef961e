#!/usr/bin/env bash
# usage: length.sh ROOT: no source file of more than 700 lines (it is then more than one concern), no line of more than 140
# columns (the aim is 120, which clang-format keeps where it can break).
set -euo pipefail
cd "${1:?usage: length.sh ROOT}"
mapfile -t files < <(find src cli include tests bench tools -path tests/data -prune -o \
    \( -name '*.[ch]' -o -name '*.sh' -o -name '*.py' \) -print 2>/dev/null | sort)
if [ ${#files[@]} -eq 0 ]; then
    echo "length: no sources under $1" >&2
    exit 1
fi
# Bytes that continue a UTF-8 character are no columns.
LC_ALL=C awk '
FNR == 701 { printf "%s: more than 700 lines\n", FILENAME; bad = 1 }
{ gsub(/[\200-\277]/, "") }
length($0) > 140 { printf "%s:%d: %d columns\n", FILENAME, FNR, length($0); bad = 1 }
END { exit bad }
' "${files[@]}"
