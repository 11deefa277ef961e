#!/usr/bin/env bash
# usage: tools/fuzz.sh BUILD SECONDS: run every fuzz target of BUILD (preset fuzz) for SECONDS, starting from its seeds. What is new
# goes to BUILD/corpus/NAME; a finding stops the run and leaves its input in BUILD/findings/.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:?usage: tools/fuzz.sh BUILD SECONDS} seconds=${2:?usage: tools/fuzz.sh BUILD SECONDS}
mapfile -t targets < <(find "$build/tests" -maxdepth 1 -name 'fuzz_*' -type f -perm -u+x | sort)
if [ ${#targets[@]} -eq 0 ]; then
    echo "slick: $build/tests: no fuzz targets" >&2
    exit 1
fi
mkdir -p "$build/findings"
for target in "${targets[@]}"; do
    name=$(basename "$target")
    mkdir -p "$build/corpus/$name"
    echo "slick: $name: $seconds s" >&2
    "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=4096 -print_final_stats=1 \
        -artifact_prefix="$build/findings/$name-" "$build/corpus/$name" "tests/fuzz/seeds/$name"
done
