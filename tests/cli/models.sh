# inspect and tokenize over the small models.
. "$SLICK_ROOT/tests/cli/lib.sh"
tiny=$SLICK_ROOT/tests/data/reference/tiny
model=$tiny/llama-gqa/model.gguf

expect_exit 0 "$slick" inspect "$model"
expect_match out '^  architecture +llama$' '^  parameters +34,464 \(13,984 without embeddings\)$' '^  layers +2$' '^  vocabulary +320$' \
    'byte-level BPE, pre-tokeniser llama-bpe$' '^  weights in f32 +138 kB$'
expect_exit 0 "$slick" inspect "$model" --json --tensors --keys
expect_lines out 1
expect_json out llama architecture
expect_json out 34464 n_parameters
expect_json out 2 n_kv_heads
expect_json out 320 tokenizer n_tokens
expect_json out ON can_run
expect_json out output.weight tensors 0 name
expect_json out 320 tensors 0 shape 0
expect_json out llama-gqa keys general.name
for file in "$tiny"/*/model.gguf; do
    expect_exit 0 "$slick" inspect "$file"
    expect_no_match out 'cannot be run'
done

expect_exit 0 "$slick" tokenize "$model" 'Paris is the capital of France.' --bos --json
[ "$(cat out)" = '{"ids":[317,47,272,72,82,278,259,293,263,220,37,81,267,66,68,13],"pieces":["<|begin_of_text|>","P","ar","i","s"," is"," the"," capital"," of"," ","F","r","an","c","e","."]}' ] ||
    fail "tokenize: $(cat out)"
expect_exit 0 "$slick" tokenize "$model" 'a ü <|im_end|>'
expect_match out '<0xC3>' '^ *[0-9]+  "a"$'
expect_no_match out '^ *319 '
expect_exit 0 "$slick" tokenize "$model" --special 'a <|im_end|>'
expect_match out '^319  "<\|im_end\|>"$'
expect_exit 0 "$slick" tokenize "$model" --json ''
[ "$(cat out)" = '{"ids":[],"pieces":[]}' ] || fail "empty text: $(cat out)"
expect_exit 0 bash -c 'printf "a\nb\n" | "$1" tokenize "$2" - --json' _ "$slick" "$model"
expect_match out '"\\n"'
expect_exit 0 "$slick" tokenize "$model" -- --bos
expect_match out '"b'

# Hugging Face directories: the same model, tokenised as Transformers does (NFC).
expect_exit 0 "$slick" inspect "$tiny/gemma3" --json --tensors --keys
expect_json out gemma3_text architecture
expect_json out 35488 n_parameters
expect_json out 16 head_dim
expect_json out ON tied_output
expect_json out ON can_run
expect_json out model.embed_tokens.weight tensors 0 name
expect_json out 32 keys hidden_size
for config in "$tiny"/*/config.json; do
    expect_exit 0 "$slick" inspect "$(dirname "$config")"
    expect_no_match out 'cannot be run'
done
mkdir strange
cp "$tiny"/llama-gqa/*.json "$tiny"/llama-gqa/model.safetensors strange
sed -i 's/"silu"/"relu"/' strange/config.json
expect_exit 0 "$slick" inspect strange
expect_match out '^  cannot be run +strange/config\.json: key hidden_act is "relu"'
expect_error 1 'strange/config\.json: key hidden_act is "relu"' "$slick" logits strange --tokens 1,2
expect_exit 0 "$slick" tokenize "$tiny/qwen2" --json $'Zu\xcc\x88rich'
cp out precomposed
expect_exit 0 "$slick" tokenize "$tiny/qwen2" --json $'Z\xc3\xbcrich'
cmp -s out precomposed || fail 'NFC: the two spellings differ'
expect_exit 0 "$slick" logits "$tiny/gpt2" --tokens 5,6,7 --dtype f32 --json
cp out logits
expect_exit 0 "$slick" logits "$tiny/gpt2/model.gguf" --tokens 5,6,7 --dtype f32 --json
cmp -s out logits || fail 'GGUF file and directory differ'

# Files that are no models.
expect_error 1 '^slick: missing\.gguf: .*No such file' "$slick" inspect missing.gguf
expect_error 1 '^slick: \.: found a folder without config\.json, expected a \.gguf file or a Hugging Face directory' "$slick" inspect .
head -c 5000 "$model" >cut.gguf
expect_error 1 '^slick: cut\.gguf: ' "$slick" inspect cut.gguf
expect_error 1 '^slick: cut\.gguf: ' "$slick" tokenize cut.gguf a
echo 'no model' >text.gguf
expect_error 1 '^slick: text\.gguf: ' "$slick" inspect text.gguf
: >empty.gguf
expect_error 1 '^slick: empty\.gguf: ' "$slick" inspect empty.gguf
exit 0
