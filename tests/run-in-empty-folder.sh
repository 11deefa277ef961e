#!/usr/bin/env bash
# usage: run-in-empty-folder.sh DIR SCRIPT PROGRAM: runs SCRIPT PROGRAM with the emptied DIR as the current folder.
set -euo pipefail
rm -rf "$1" && mkdir -p "$1" && cd "$1"
exec bash -euo pipefail "$2" "$3"
