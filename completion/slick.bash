# bash completion for slick: commands, options of each, their fixed values, files. Kept in step with `slick help` by
# tests/cli/documented.sh.

_slick_global_options='--store --seed --threads --dtype --json --quiet --force --help --version'

declare -gA _slick_options=(
    [inspect]='--keys --tensors'
    [tokenize]='--special --bos'
    [convert]='--output --dtype --merge'
    [logits]='--tokens --text --special --last --top --adapter'
    [generate]='--max-tokens --temperature --top-k --stop --special --chat --adapter'
    [score]='--match --max-tokens --temperature --top-k --batch-tokens --adapter'
    [import]='--name --map --split --ood --format --relations --keep-multi-answer --keep-ood-train --overlap'
    [facts]='--set'
    [probe]='--set --split --relations --limit --shard --n-ex --shots --samples --temperature --top-k --match --answers
        --template --pool --batch-tokens --naive --adapter'
    [ptrue]='--labels --split --relations --batch-tokens --jsonl --adapter'
    [labels]='--by --labels --split --relations --csv --jsonl --review --list'
    [relabel]='--n-ex --samples --match --labels --split --relations --jsonl'
    [merge]=''
    [mix]='--unknown --drop-unknown --idk --only --natural --size --beside --set --labels --relations --output'
    [train]='--output --epochs --lr --batch --dropout --schedule --warmup --weight-decay --clip --betas --eps --dev --test
        --ood --set --labels --eval-limit --no-store --lora-rank --lora-alpha --lora-dropout --lora-targets --freeze --stop
        --patience --save-as --save-every --batch-tokens --recompute --no-share --match --template --map --format'
    [eval]='--match --template --answers --jsonl --map --format --batch-tokens --adapter'
    [pretrain]='--output --save-every --new --table'
    [study]='--jobs --only --from --shard --shards --parts --save-every --study --table'
    [demo]='--output --quick --seeds --epochs --facts --jobs'
    [report]='--output --study --exposure'
    [bench]='--relations --limit --answers --batch-tokens --batch --steps --no-share'
    [help]=''
)

# The command on the line so far: the first word that is neither an option nor the value of a global one.
_slick_command() {
    local i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --store | --seed | --threads | --dtype) ((i++)) ;;
        -*) ;;
        *)
            printf '%s' "${COMP_WORDS[i]}"
            return
            ;;
        esac
    done
}

_slick() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command words=''
    command=$(_slick_command)
    COMPREPLY=()
    # Fixed values.
    case $before in
    --dtype) words='f32 bf16'; [ "$command" != convert ] || words='F32 F16 BF16 Q8_0' ;;
    --split) words='train dev test'; [[ $command != @(probe|ptrue) ]] || words+=' all' ;;
    --pool) words='train dev test' ;;
    --match) words='em strict contains f1:' ;;
    --answers) [ "$command" = eval ] || words='none greedy all' ;;
    --by) words='relation split' ;;
    --only)
        [ "$command" != study ] || return
        words='HighlyKnown MaybeKnown WeaklyKnown Unknown'
        ;;
    --format) words='auto jsonl json csv tsv' ;;
    --overlap) words='subject subject-or-object none' ;;
    --schedule) words='constant linear cosine' ;;
    --freeze) words='attention ffn embeddings' ;;
    --recompute) words='auto yes no' ;;
    --save-as) words='hf gguf' ;;
    --stop)
        [ "$command" = train ] || return
        words='early epochs'
        ;;
    --seed | --threads | --limit | --shard | --n-ex | --shots | --samples | --temperature | --top-k | --top | \
        --batch-tokens | --max-tokens | --tokens | --text | --name | --map | --set | --relations | \
        --labels | --review | --unknown | --size | --beside | --epochs | --lr | --batch | --dropout | --warmup | --weight-decay | \
        --clip | --betas | --eps | --eval-limit | --lora-rank | --lora-alpha | --lora-dropout | --lora-targets | --patience | \
        --save-every | --steps | --jobs | --shards | --study | --seeds | --facts)
        return
        ;;
    --ood)
        [ "$command" = train ] || return
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        compopt -o filenames 2>/dev/null
        return
        ;;
    --store | --template | --output | -o | --adapter | --merge | --dev | --test | --from | --parts | --exposure)
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        compopt -o filenames 2>/dev/null
        return
        ;;
    esac
    if [ -n "$words" ]; then
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
        return
    fi
    if [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$_slick_global_options ${_slick_options[${command:-help}]-}" -- "$word")
    elif [ -z "$command" ] || [ "$command" = help ]; then
        mapfile -t COMPREPLY < <(compgen -W "${!_slick_options[*]}" -- "$word")
    else
        case $command in
        import) words='entityquestions builtin:' ;;
        bench) words='gemm forward label train' ;;
        study) words='new run status plan probe' ;;
        esac
        mapfile -t COMPREPLY < <(
            compgen -W "$words" -- "$word"
            compgen -f -- "$word"
        )
        compopt -o filenames 2>/dev/null
    fi
}

complete -F _slick slick
