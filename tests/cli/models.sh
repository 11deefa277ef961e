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

# Files that are no models.
expect_error 1 '^slick: missing\.gguf: .*No such file' "$slick" inspect missing.gguf
expect_error 1 '^slick: \./config\.json: ' "$slick" inspect .
head -c 5000 "$model" >cut.gguf
expect_error 1 '^slick: cut\.gguf: ' "$slick" inspect cut.gguf
expect_error 1 '^slick: cut\.gguf: ' "$slick" tokenize cut.gguf a
echo 'no model' >text.gguf
expect_error 1 '^slick: text\.gguf: ' "$slick" inspect text.gguf
: >empty.gguf
expect_error 1 '^slick: empty\.gguf: ' "$slick" inspect empty.gguf
exit 0
