#!/usr/bin/env bash
# usage: manpage.sh ROOT: mandoc finds nothing to complain about in man/*.1.
set -euo pipefail
cd "${1:?usage: manpage.sh ROOT}"
if ! command -v mandoc >/dev/null; then
    echo "manpage: mandoc is not installed (tools/install-deps.sh check)" >&2
    exit 1
fi
mandoc -T lint -W warning man/*.1
