# The model that demo and slow tests use: downloaded (or cached), its path alone on stdout, and the second call at once.
path=$("$SLICK_ROOT/tools/get-model.sh" smollm2)
[ "$(wc -l <<<"$path")" -eq 1 ]
echo "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53  $path" | sha256sum -c -
[ "$(timeout 2 "$SLICK_ROOT/tools/get-model.sh" smollm2)" = "$path" ]
