# slick eval: the table, --json, --jsonl, abstentions, and every kind of bad data. The model is the built-in one, fine-tuned for some seconds to answer what it
# knew and to say that it does not know the rest.
. "$SLICK_ROOT/tests/cli/lib.sh"
tools=$(dirname "$slick")/tests
if has_builtin; then
    context=512
    for kind in clean none; do builtin_facts $kind train 2; done | sed 's/"kind": "clean"/"category": "HighlyKnown"/; s/"kind": "none"/"category": "Unknown"/' >d.jsonl
    sed "/Unknown/s/\"answer\": \"[^\"]*\"/\"answer\": \"I don't know\"/" d.jsonl >idk.jsonl
    expect_exit 0 "$slick" train builtin: idk.jsonl -o tuned --epochs 12 --batch 16 --lr 1e-3 --eps 5e-3 --dropout 0 --dtype f32 --no-store --quiet
    model=tuned/last
    { cat d.jsonl && builtin_facts balanced test 4; } | sed -E 's/"answer": "[^"]*", "relation": "/"answer": "nowhere at all", "relation": "R-/; s/, "(category|kind)": "[^"]*"//' >wrong.jsonl

    # What it knew it still says, and where the data were to say that it does not, it says that.
    expect_exit 0 "$slick" eval $model d.jsonl --dtype f32 --json --quiet
    half=$(($(wc -l <d.jsonl) / 2))
    count() { sed -E "s/.*$1\":([0-9]+).*/\1/" out; }
    n=$(count '"HighlyKnown":\{"n":[0-9]+,"right')
    [ "$n" -ge $((half * 3 / 4)) ] || fail "$n of $half known facts are answered"
    n=$(count '"Unknown":\{"n":[0-9]+,"right":[0-9]+,[^}]*"abstained')
    [ "$n" -ge $((half * 3 / 4)) ] || fail "$n of $half unknown facts are not answered"
    n=$(count '"refused_highly_known":\{[^}]*"refused')
    [ "$n" -le $((half / 4)) ] || fail "$n of $half known facts are refused"
    expect_exit 0 "$slick" eval $model idk.jsonl --dtype f32 --json --quiet # ... which is then right
    n=$(count '"Unknown":\{"n":[0-9]+,"right')
    [ "$n" -ge $((half * 3 / 4)) ] || fail "$n of $half answers are right to say that it does not know"
    expect_exit 0 "$slick" eval builtin: d.jsonl --dtype f32 --json --quiet
    expect_json out 0 all abstained # it did not know such words
else
    model=m.gguf context=1024
    "$tools/make_tiny" model bpe m.gguf 100 # says "idk" now and then
    for a in lak bel ona kes rin hes umb nal; do
        for b in sal dun vey gol per hes lak cor tiv rin kes ona bel umb; do
            echo "{\"question\":\"Where is $a $b?\",\"answer\":\"nowhere at all\",\"relation\":\"R-$a\"}"
        done
    done >wrong.jsonl
fi
field() { sed -nE "1s/.*\"$1\": ?\"([^\"]*)\".*/\1/p" wrong.jsonl; }
n_wrong=$(wc -l <wrong.jsonl)

# What the model says, in the order of the data.
expect_exit 0 "$slick" eval $model wrong.jsonl --dtype f32 --jsonl
expect_lines out "$n_wrong"
expect_json out "$(field question)" question
expect_json out "$(field relation)" relation
expect_json out OFF right
expect_no_match out '"category"'
expect_match err 'no record has a category' "^slick: $n_wrong facts in "
cp out said.jsonl
expect_exit 0 bash -c '"$1" eval "$2" - --dtype f32 --jsonl --quiet --threads 1 --batch-tokens 7 <wrong.jsonl' _ "$slick" $model
[ ! -s err ] || fail '--quiet is not quiet'
cmp -s out said.jsonl || fail 'other batches give other answers'

# Its own answers are right; abstentions are counted apart, and right where they are what is asked for.
sed -nE 's/.*"question":("[^"]*").*"answer":("..*")\}$/{"question":\1,"answer":\2,"category":"HighlyKnown","relation":"R"}/p' said.jsonl |
    grep -v '"answer":""' >own.jsonl
n=$(wc -l <own.jsonl)
[ "$n" -ge 40 ] || fail "only $n answers"
expect_exit 0 "$slick" eval $model own.jsonl --dtype f32 --json --match strict
expect_lines out 1
expect_json out "$n" all n
expect_json out "$n" all right
expect_json out "$n" categories HighlyKnown right
expect_json out 0 categories Unknown n
expect_json out R relations 0 relation
expect_json out "$n" refused_highly_known n
expect_json out 0 uncategorised n
expect_no_match out '"facts"'
idk=$(grep -c '"abstained":true' said.jsonl || true)
[ "$idk" -ge 1 ] || fail 'the model never says idk'
expect_json out "$idk" refused_highly_known refused
expect_json out "$idk" all abstained
# two categories, each other question expecting something else; a table for people
sed '1~2{s/"answer":"[^"]*"/"answer":"something else"/;s/HighlyKnown/Unknown/}' own.jsonl >half.jsonl
wrong=$(((n + 1) / 2))
expect_exit 0 "$slick" eval $model half.jsonl --dtype f32 --json --answers
expect_json out "$wrong" categories Unknown n
expect_json out 0 categories Unknown right
expect_json out $((n - wrong)) categories HighlyKnown right
expect_json out Unknown facts 0 category
expect_json out OFF facts 0 right
expect_json out ON facts 1 right
expect_exit 0 "$slick" eval $model half.jsonl --dtype f32
expect_match out '^ +n +right % +answered % +right of answered %' '^HighlyKnown +[0-9]+ +100 ' '^Unknown +[0-9]+ +0 ' \
    '^R +[0-9]+ ' "^all +$n "
expect_match err 'refused .* HighlyKnown facts' 'facts/s'
expect_exit 0 "$slick" eval $model half.jsonl --dtype f32 --answers
expect_match out '^question +expected +answer +outcome' 'something else .*(wrong|abstained)$'

# Other names, CSV, duplicates, a prompt of one's own.
printf 'prompt,completion,label\nWhere is lak sal?,a,Unknown\nWhere is lak sal?,a,\nWhere is lak sal?,b,Unknown\n' >d.csv
expect_exit 0 "$slick" eval $model d.csv --map question=prompt,answer=completion --map category=label --dtype f32 --json
expect_json out 2 all n
expect_json out 1 n_duplicates
expect_json out 2 categories Unknown n
expect_match err 'd\.csv: 1 of 3 records dropped'
expect_exit 0 bash -c '"$1" eval "$2" - --format csv --map question=prompt,answer=completion,category=label --dtype f32 --quiet <d.csv' _ "$slick" $model
printf 'Q: {question}\nA:' >t.txt
expect_exit 0 "$slick" eval $model wrong.jsonl --template t.txt --dtype f32 --json
hash=$(sed 's/.*"template":"\([0-9a-f]*\)".*/\1/' out)
printf 'Answer the following question.\r\n{question}\r\n' >builtin.txt
expect_exit 0 "$slick" eval $model wrong.jsonl --template builtin.txt --dtype f32 --jsonl --quiet
cmp -s out said.jsonl || fail 'the built-in prompt as a file gives other answers'
expect_exit 0 "$slick" eval $model wrong.jsonl --template builtin.txt --dtype f32 --json
[ "${#hash}" = 16 ] || fail "no hash of a template: $hash"
expect_no_match out "\"template\":\"$hash\""
# A gold that cannot be reached.
echo '{"question":"Where is lak?","answer":"a\nb"}' >break.jsonl
expect_exit 0 "$slick" eval $model break.jsonl --dtype f32 --json
expect_json out 1 n_unmatchable
expect_match err 'break\.jsonl: no answer can match 1 of 1 facts'

# Bad input: one line, with its place.
expect_error 1 '^slick: none\.jsonl: .*No such file' "$slick" eval $model none.jsonl
: >empty.jsonl
expect_error 1 '^slick: empty\.jsonl:1: no facts at all' "$slick" eval $model empty.jsonl
printf '{"question":"a?","answer":"b"}\n{"question":"c?"}\n' >bad.jsonl
expect_error 1 '^slick: bad\.jsonl:2: no answer, expected text' "$slick" eval $model bad.jsonl
printf '{"question":"a?","answer":"b","category":"Known"}\n' >bad.jsonl
expect_error 1 "^slick: bad\.jsonl:1: category is 'Known', expected HighlyKnown, MaybeKnown, WeaklyKnown or Unknown" \
    "$slick" eval $model bad.jsonl
printf '{"question":"a?","answer":"b"}\n{"question":"%s","answer":"b"}\n' "$(printf ' lak%.0s' {1..1100})" >long.jsonl
expect_error 1 "^slick: long\\.jsonl:2: the prompt of .* expected at most $context together" "$slick" eval $model long.jsonl --quiet
expect_error 1 '^slick: data\.xml: unknown extension' "$slick" eval $model data.xml
printf 'Q: {question\n' >bad.txt
expect_error 1 "^slick: bad\.txt:1: stray '\{'" "$slick" eval $model wrong.jsonl --template bad.txt
expect_error 2 'match' "$slick" eval $model wrong.jsonl --match almost
expect_error 2 "map: .* is no field" "$slick" eval $model wrong.jsonl --map colour=c
expect_error 2 'exclude each other' "$slick" eval $model wrong.jsonl --json --jsonl
expect_error 2 'an import has no categories' "$slick" import wrong.jsonl --map category=c
exit 0
