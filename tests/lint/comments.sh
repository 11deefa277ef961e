#!/usr/bin/env bash
# usage: comments.sh ROOT: every function that a header exports has a comment: before it, at the end of its line, or before
# the unbroken group of lines it stands in (a section heading speaks for the group after it, too). Every header opens with
# a comment and has a guard. No type names ending in _t.
set -euo pipefail
cd "${1:?usage: comments.sh ROOT}"
mapfile -t files < <(find src include -maxdepth 2 -name '*.h' ! -name '*.inc.h' 2>/dev/null | sort)
if [ ${#files[@]} -eq 0 ]; then
    echo "comments: no headers under $1/src and $1/include" >&2
    exit 1
fi
awk '
function complain(line, text) { printf "%s:%d: %s\n", FILENAME, line, text; bad = 1 }
function finish() { if (guard == 0 && last != "") { printf "%s:1: no include guard\n", last; bad = 1 } }
FNR == 1 {
    finish()
    last = FILENAME; guard = depth = in_comment = grouped = continued = section = 0
    if ($0 !~ /^\/\*/) complain(1, "a header opens with a comment: the mental model or the byte layout")
}
/^#ifndef SLK_|^#pragma once/ { guard = 1 }
{
    # What of the line is code, and does a comment stand on it?
    code = ""; comment = in_comment; rest = $0
    while (rest != "") {
        if (in_comment) {
            at = index(rest, "*/")
            if (!at) break
            in_comment = 0; rest = substr(rest, at + 2)
        } else {
            at = index(rest, "/*")
            if (index(rest, "//")) complain(FNR, "comments are written /* */")
            if (!at) { code = code rest; break }
            comment = in_comment = 1; code = code substr(rest, 1, at - 1); rest = substr(rest, at + 2)
        }
    }
    if (code ~ /typedef .*[a-z0-9]_t;/ || code ~ /^} [a-z0-9_]*_t;/) complain(FNR, "a type name ends in _t")
    if (code ~ /^[ \t]*$/) {
        # A comment opens a group; an empty line ends it, but for the one after a section heading.
        if ($0 ~ /^\/\* ---/) section = 1
        if (depth == 0 && !continued) {
            if (!comment && section) { grouped = 1; section = 0 }
            else grouped = comment
        }
        next
    }
    if (code ~ /^#/) next
    section = 0
    # Types explain themselves by their members, endings by the convention (docs/design.md, Style).
    if (code ~ /^void slk_[a-z0-9_]*_(release|free|close)\([^,]*\);/) next
    if (depth == 0 && !continued && !grouped && !comment && code !~ /^(extern "C"|}|(typedef )?(struct|enum|union) [^(]*$)/)
        complain(FNR, "exported without a comment: " code)
    if (comment && depth == 0 && !continued) grouped = 1
    if (code !~ /^extern "C"/) depth += gsub(/{/, "{", code) - gsub(/}/, "}", code)
    continued = depth == 0 && code !~ /[;}][ \t]*$/ && code !~ /^extern "C"/
}
END { finish(); exit bad }
' "${files[@]}"
