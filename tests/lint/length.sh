#!/usr/bin/env bash
# usage: length.sh ROOT: no source file has more than 700 lines (it is then more than one concern).
set -euo pipefail
cd "${1:?usage: length.sh ROOT}"
mapfile -t files < <(find src cli include tests bench tools -path tests/data -prune -o \
    \( -name '*.[ch]' -o -name '*.sh' -o -name '*.py' \) -print 2>/dev/null | sort)
if [ ${#files[@]} -eq 0 ]; then
    echo "length: no sources under $1" >&2
    exit 1
fi
awk '
FNR == 701 { printf "%s: more than 700 lines\n", FILENAME; bad = 1 }
END { exit bad }
' "${files[@]}"
