# slick convert: both ways, types, what is there already, mistakes.
. "$SLICK_ROOT/tests/cli/lib.sh"
tiny=$SLICK_ROOT/tests/data/reference/tiny

expect_exit 0 "$slick" convert "$tiny/qwen3" -o q.gguf
[ -s out ] && fail 'output on stdout'
expect_match err '^slick: q\.gguf: 24 tensors$'
expect_exit 0 "$slick" convert q.gguf --output there --json
expect_json out 24 n_tensors
expect_json out 0 n_dequantised
for model in "$tiny/qwen3" q.gguf there; do
    expect_exit 0 "$slick" logits "$model" --tokens 1,2,3 --dtype f32 --json
    [ ! -e logits ] || cmp -s out logits || fail "$model computes something else"
    cp out logits
done

# Quantised sources are dequantised, and it says so; convert has a --dtype of its own.
expect_exit 0 "$slick" convert "$tiny/llama-gqa" --dtype Q8_0 -o q8.gguf
expect_match err 'F16: their rows are no multiple of 32'
expect_exit 0 "$slick" convert q8.gguf -o plain --dtype bf16
expect_match err 'were quantised: what is written has their rounded values'
expect_match plain/config.json '"torch_dtype": "bfloat16"'
expect_exit 0 "$slick" convert "$tiny/mistral-window" -o m.gguf --quiet
expect_match err 'llama\.cpp ignores it'

# A merged adapter computes what the adapter beside the model computes, and the reference of another program (test_merge).
lora=$SLICK_ROOT/tests/data/reference/train/lora
for adapter in "$lora/adapter" "$lora/adapter.gguf"; do
    expect_exit 0 "$slick" convert "$tiny/llama-gqa" -o merged.gguf --merge "$adapter" --force
    expect_match err 'adapter(\.gguf)?: merged into 14 matrices'
    expect_exit 0 "$slick" convert "$tiny/llama-gqa/model.gguf" -o merged --merge "$adapter" --force --json
    expect_json out 14 n_merged
    expect_exit 0 "$slick" logits merged --tokens 1,2,3 --dtype f32 --json
    [ ! -e merged_logits ] || cmp -s out merged_logits || fail "$adapter: its two forms merge to something else"
    cp out merged_logits
    expect_exit 0 "$slick" logits merged.gguf --tokens 1,2,3 --dtype f32 --json
    cmp -s out merged_logits || fail "$adapter: the two formats of the merged model compute something else"
done
expect_exit 0 "$slick" convert q8.gguf -o merged_q8.gguf --merge "$lora/adapter"
expect_match err '12 of 21 tensors were quantised'
expect_exit 0 "$slick" inspect merged_q8.gguf --tensors
expect_match out 'blk\.0\.attn_q\.weight.*BF16'
expect_match out 'token_embd\.weight.*Q8_0'
expect_error 1 'adapter/adapter_model\.safetensors: tensor .*gpt2' "$slick" convert "$tiny/gpt2" -o x.gguf --merge "$lora/adapter"
expect_error 1 'nothing' "$slick" convert "$tiny/llama-gqa" -o x.gguf --merge nothing
expect_error 1 'unknown tensor type|adapter' "$slick" convert "$tiny/llama-gqa" -o x.gguf --merge "$tiny/llama-gqa"
[ ! -e x.gguf ] || fail 'a failed merge left a file'

# What is there stays, unless told otherwise.
expect_error 1 'q\.gguf: .*--force' "$slick" convert "$tiny/qwen2" -o q.gguf
expect_error 1 'there: exists already \(--force' "$slick" convert "$tiny/qwen2/model.gguf" -o there
expect_exit 0 "$slick" convert "$tiny/qwen2/model.gguf" -o there --force
expect_match there/config.json '"model_type": "qwen2"'
expect_exit 0 "$slick" convert "$tiny/qwen2/model.gguf" -o q.gguf --force

# Mistakes.
expect_error 2 'output' "$slick" convert "$tiny/qwen2"
expect_error 2 'Q4_0: expected F32, F16, BF16 or Q8_0' "$slick" convert "$tiny/qwen2" -o x.gguf --dtype Q4_0
expect_error 1 'Q8_0 is a type of GGUF' "$slick" convert "$tiny/qwen2" -o x --dtype Q8_0
expect_error 1 'no/such' "$slick" convert "$tiny/qwen2" -o no/such/x
for trace in ./*.tmp.*; do [ ! -e "$trace" ] || fail "$trace was left behind"; done
exit 0
