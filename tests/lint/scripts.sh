#!/usr/bin/env bash
# usage: scripts.sh ROOT: every shell script stops at its first failure and passes shellcheck.
set -euo pipefail
cd "${1:?usage: scripts.sh ROOT}"
mapfile -t files < <({
    find tools tests bench -name '*.sh' 2>/dev/null
    find .ci completion -type f 2>/dev/null
} | sort)
if [ ${#files[@]} -eq 0 ]; then
    echo "scripts: none under $1" >&2
    exit 1
fi
bad=0
for file in "${files[@]}"; do
    # tests/cli and tests/slow are run by run-in-empty-folder.sh, which sets the flags for them; a completion runs in people's own shells.
    case $file in tests/cli/* | tests/slow/* | completion/*) continue ;; esac
    if ! grep -q '^set -euo pipefail$' "$file"; then
        echo "$file: no line 'set -euo pipefail'"
        bad=1
    fi
done
if command -v shellcheck >/dev/null; then
    shellcheck --shell=bash --severity=warning --external-sources "${files[@]}" || bad=1
else
    echo "scripts: shellcheck is not installed (tools/install-deps.sh check)" >&2
    bad=1
fi
exit $bad
