# The man page and the completion name every command of `slick help` and every option of `slick COMMAND --help`, and no others.
slick=$1
page=$SLICK_ROOT/man/slick.1
. "$SLICK_ROOT/completion/slick.bash"

bad=0
complain() {
    echo "documented: $*"
    bad=1
}

# "  --name VALUE  text" and "  name  text" at the beginning of help lines.
options_of() { sed -n 's/^  \(-., \)\?\(--[a-z0-9-]*\).*/\2/p'; }
same() { # WHAT A B: the same words in any order
    local a b
    a=$(tr ' ' '\n' <<<"$2" | sed '/^$/d' | sort -u | tr '\n' ' ')
    b=$(tr ' ' '\n' <<<"$3" | sed '/^$/d' | sort -u | tr '\n' ' ')
    [ "$a" = "$b" ] || complain "$1: slick has [ $a], the other [ $b]"
}
# The man page's entry of a command: from its .It Cm lines to the next entry.
entry() {
    awk -v name="$1" '
        $1 == ".It" && $2 == "Cm" { on = $3 == name }
        /^\.S[hs] / { on = 0 }
        on' "$page"
}
flags_in() { grep '^\.It' | grep -o 'Fl -[a-z0-9-]*' | sed 's/Fl /-/'; }

commands=$("$slick" help | sed -n '/^Global/q; s/^  \([a-z]\{2,\}\) .*/\1/p')
[ "$(wc -w <<<"$commands")" -ge 10 ] || complain "slick help lists only: $commands"
same 'commands in the completion' "$commands help" "${!_slick_options[*]}"
same 'commands in the man page' "$commands" "$(sed -n 's/^\.It Cm \([a-z]*\).*/\1/p' "$page")"
same 'global options in the completion' "$("$slick" help | options_of) --help --version" "$_slick_global_options"
same 'global options in the man page' "$("$slick" help | options_of) --help --version" \
    "$(sed -n '/^\.Sh GLOBAL/,/^\.Sh COMMANDS/p' "$page" | flags_in)"
for command in $commands; do
    options=$("$slick" "$command" --help | options_of)
    same "options of $command in the completion" "$options" "${_slick_options[$command]-}"
    same "options of $command in the man page" "$options" "$(entry "$command" | flags_in || true)"
done

# The completion as bash calls it.
reply() { # WORD...: what completing the last word offers
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
    _slick
    echo "${COMPREPLY[*]}"
}
[ "$(reply slick pro)" = probe ] || complain "slick pro<TAB>: $(reply slick pro)"
[ "$(reply slick --store x.db probe --answers g)" = greedy ] || complain "--answers g<TAB> is not greedy"
[ "$(reply slick probe model.gguf --relat)" = --relations ] || complain "--relat<TAB> is not --relations"
touch model.gguf
[ "$(reply slick inspect mod)" = model.gguf ] || complain "mod<TAB> is not model.gguf"
exit $bad
