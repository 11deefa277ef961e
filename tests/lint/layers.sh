#!/usr/bin/env bash
# usage: layers.sh ROOT: each module includes only what stands left of it; siblings do not include each other.
#   base <- config, format, compute, token, data, store, stats <- model <- infer, train <- know <- pretrain, study, report, api <- cli
# And: intrinsics and oneDNN only in src/compute/, SQLite only in src/store/.
set -euo pipefail
cd "${1:?usage: layers.sh ROOT}"
mapfile -t files < <(find src cli -name '*.[ch]' 2>/dev/null | sort)
if [ ${#files[@]} -eq 0 ]; then
    echo "layers: no C files under $1/src and $1/cli" >&2
    exit 1
fi
awk '
BEGIN {
    n = split("base|config format compute token data store stats|model|infer train|know|pretrain study report api|cli", layer, "|")
    for (i = 1; i <= n; i++) {
        m = split(layer[i], names, " ")
        for (j = 1; j <= m; j++) level[names[j]] = i
    }
    only["immintrin.h"] = only["x86intrin.h"] = only["emmintrin.h"] = only["oneapi/dnnl/dnnl.h"] = "compute"
    only["sqlite3.h"] = "store"
}
function complain(text) { printf "%s:%d: %s\n", FILENAME, FNR, text; bad = 1 }
FNR == 1 {
    split(FILENAME, part, "/")
    module = part[1] == "src" ? part[2] : "cli"
    if (!(module in level)) complain("src/" module "/ has no place among the layers (tests/lint/layers.sh)")
}
/^[ \t]*#[ \t]*include[ \t]*[<"]/ {
    name = $0
    sub(/^[^<"]*[<"]/, "", name)
    sub(/[>"].*/, "", name)
    if (name in only && module != only[name]) complain(name " is included outside src/" only[name] "/")
    if ($0 !~ /"/) next
    if (index(name, "..")) { complain(name ": includes are written from src/, not with .."); next }
    if (!index(name, "/")) next # beside the file itself
    target = name
    sub(/\/.*/, "", target)
    if (!(target in level)) complain(name ": unknown module")
    else if (target != module && level[target] >= level[module])
        complain(module " includes " name ", but " target " does not stand left of " module)
}
END { exit bad }
' "${files[@]}"
