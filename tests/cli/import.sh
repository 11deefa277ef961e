# Importing facts: EntityQuestions with its counts, files of one's own, and every kind of mistake in them.
. "$SLICK_ROOT/tests/cli/lib.sh"

# --- EntityQuestions: the copy that comes with slick ---------------------------------------------------------------------
expect_exit 0 "$slick" import entityquestions
expect_match out '^read +176,560 +22,068 +22,075 +220,703$' '^  several true answers ' '^kept '
expect_match err '^slick: set entityquestions: [0-9,]+ facts written to slick.db$'
cp out first
expect_exit 0 "$slick" facts --json
expect_lines out 1
expect_json out entityquestions sets 0 set
expect_json out 114285 sets 0 n
expect_json out 40000 sets 0 import removed relation train
expect_json out subject sets 0 import overlap

# Again, from a folder, machine-readable: the same facts. kept = read - removed in each split.
mkdir eq
tar -xJf "$SLICK_ROOT/data/entityquestions.tar.xz" -C eq
expect_exit 0 "$slick" import entityquestions eq --json --quiet
[ -s err ] && fail "--quiet import writes to stderr"
expect_json out unchanged result
expect_json out 176560 read train
expect_json out 22068 read dev
expect_json out 22075 read test
for split in train dev test; do
    sum=0
    for filter in relation ood_train multi_answer duplicate overlap; do
        cmake -P "$SLICK_ROOT/tests/cli/json.cmake" out 1 removed $filter $split
        sum=$((sum + $(cat json.value)))
    done
    cmake -P "$SLICK_ROOT/tests/cli/json.cmake" out 1 read $split
    expect_json out $(($(cat json.value) - sum)) kept $split
done

# A small one: options and what happens to a set that is there.
mkdir -p small/train small/dev small/test
question() { printf '{"question": "Which country is %s located in?", "answers": [%s]}' "$1" "$2"; }
capital() { printf '{"question": "What is the capital of %s?", "answers": ["%s"]}' "$1" "$2"; }
author() { printf '{"question": "Who is the author of %s?", "answers": ["%s"]}' "$1" "$2"; }
echo "[$(question Oslo '"Norway"'), $(question Rome '"Italy"'), $(question Kars '"Turkey", "Armenia"'), $(question Rome '"Italy"')]" \
    >small/train/P17.train.json
echo "[$(question Bonn '"Germany"'), $(question Lyon '"France"')]" >small/dev/P17.dev.json
echo "[$(question Oslo '"Norway"'), $(question Pisa '"Italy"')]" >small/test/P17.test.json
echo "[$(capital Italy Rome), $(capital Peru Lima)]" >small/train/P36.train.json
echo "[$(capital Chad "N'Djamena"), $(capital Peru Lima)]" >small/test/P36.test.json
echo "[$(author Emma Austen), $(author Ulysses Joyce)]" >small/train/P50.train.json
echo "[$(author Ulysses Joyce), $(author Faust Goethe)]" >small/test/P50.test.json
expect_exit 0 "$slick" import entityquestions small --name small
expect_match out '^read +8 +2 +6 +16$' '^  training fact, but the relation is only tested +2 ' '^  several true answers +1 ' \
    '^  the same fact again +1 +0 +0 +1$' '^  subject of a test question +2 ' '^kept +2 +2 +6 +10$'
expect_error 1 "slick.db: set 'small' .*--force" "$slick" import entityquestions small --name small --keep-multi-answer
expect_exit 0 "$slick" import entityquestions small --name small --keep-multi-answer --keep-ood-train --overlap none --force --json
expect_json out replaced result
expect_json out none overlap
expect_no_match out 'multi_answer|ood_train'
expect_exit 0 "$slick" import entityquestions small --relations P17,P36 --name two
expect_exit 0 "$slick" facts --set two
expect_match out '^two: 8 facts of 2 relations' '^P17 +1 +2 +2 +country$' '^P36 +1 +0 +2 +capital$'
expect_error 1 'P999' "$slick" import entityquestions small --relations P999 --name x
expect_error 1 '^slick: nowhere: ' "$slick" import entityquestions nowhere
expect_error 2 'import: --map is for files of your own' "$slick" import entityquestions --map question=q
expect_error 2 "import: 'b': entityquestions takes one" "$slick" import entityquestions a b
echo '[{"question": "a?", "answers": []}]' >small/test/P19.test.json
expect_error 1 '^slick: small/test/P19\.test\.json:1: ' "$slick" import entityquestions small

# --- files of one's own ----------------------------------------------------------------------------------------------------
rm -f ./*.db
cat >good.jsonl <<'END'
{"question": "Where is Oslo?", "answer": "Norway", "aliases": ["the Kingdom of Norway"], "relation": "country", "subject": "Oslo", "split": "test"}
{"question": "Where is Bergen?", "answers": ["Norway", "Norge"], "relation": "country", "subject": "Bergen", "split": "dev"}

{"question": "Where is Oslo now?", "answer": "Norway", "relation": "country", "subject": "Oslo", "split": "train"}
{"question": "Who wrote Peer Gynt?", "answer": "Ibsen", "relation": "author", "split": "test"}
{"question": "Who wrote Peer Gynt?", "answer": "Ibsen", "relation": "author", "split": "train"}
END
expect_exit 0 "$slick" import good.jsonl --ood author
expect_match out '^read +2 +1 +2 +5$' '^  several true answers +0 +1 +0 +1$' '^  subject of a test question +1 +0 +0 +1$' \
    '^  training fact, but the relation is only tested +1 +0 +0 +1$' '^kept +0 +0 +2 +2$'
expect_match err '^slick: set good: 2 facts written to slick.db$' 'dev.*--pool'
expect_exit 0 "$slick" facts
expect_match out '^good: 2 facts of 2 relations \(1 out of distribution\)' '^author +0 +0 +1 +ood$'
expect_exit 0 "$slick" import good.jsonl --name all --keep-multi-answer --overlap none --json
expect_json out 1 kept dev
expect_json out 1 kept train
expect_json out 2 kept test

printf 'prompt,completion,kind\n"What, exactly?",that,k\nWhere?,"say ""here""",k\n' >own.csv
expect_exit 0 "$slick" import own.csv --map question=prompt,answer=completion,relation=kind --split test --name 'my set'
expect_exit 0 "$slick" facts --set 'my set' --json
expect_json out k sets 0 relations 0 relation
expect_json out 2 sets 0 splits test
expect_exit 0 "$slick" import own.csv --map question=prompt --map answer=completion --name twice
printf 'question\tanswer\nWhat?\tthat\n' >own.tsv
expect_exit 0 "$slick" import own.tsv
printf '[{"question": "What?", "answer": "that"}]' >own.json
expect_exit 0 "$slick" import own.json --name json
printf '{"question": "What?", "answer": "that"}\n' >own.jsonl
expect_exit 0 bash -c '"$1" import - --name stdin <own.jsonl' _ "$slick"
expect_exit 0 bash -c '"$1" import - --format csv --name stdin2 <own.csv --map question=prompt,answer=completion' _ "$slick"

# --- mistakes: one line with FILE:LINE, nothing written -----------------------------------------------------------------------
rm -f ./*.db
bad() { # REGEX FILE CONTENT
    printf "$3" >"$2"
    expect_error 1 "$1" "$slick" import "$2"
    [ -e slick.db ] && fail "a store was made of a broken file"
    return 0
}
ok='{"question": "a?", "answer": "b"}'
bad '^slick: x\.jsonl:2: ' x.jsonl "$ok"'\n{"question": "a?", \n'
bad '^slick: x\.jsonl:2: .*question' x.jsonl "$ok"'\n{"answer": "b"}\n'
bad '^slick: x\.jsonl:3: .*answer' x.jsonl "$ok"'\n\n{"question": "c?"}\n'
bad '^slick: x\.jsonl:1: .*(empty|blank)' x.jsonl '{"question": "c?", "answer": " "}\n'
bad '^slick: x\.jsonl:1: .*alias' x.jsonl '{"question": "c?", "answer": "d", "aliases": [""]}\n'
bad '^slick: x\.jsonl:1: .*split' x.jsonl '{"question": "c?", "answer": "d", "split": "tset"}\n'
bad '^slick: x\.jsonl:1: .*ood' x.jsonl '{"question": "c?", "answer": "d", "ood": 3}\n'
bad '^slick: x\.jsonl:1: .*question' x.jsonl '{"question": 7, "answer": "d"}\n'
bad '^slick: x\.jsonl:1: ' x.jsonl '["a", "b"]\n'
bad '^slick: x\.jsonl:2: .*UTF-8' x.jsonl "$ok"'\n{"question": "\377?", "answer": "d"}\n'
bad '^slick: x\.jsonl: ?.*(no facts|empty|holds no)' x.jsonl ''
bad '^slick: x\.json:2: ' x.json '[{"question": "a?", "answer": "b"},\n{"question": "a?"}]\n'
bad '^slick: x\.csv:1: ' x.csv 'quest,answer\na,b\n'
bad '^slick: x\.csv:3: ' x.csv 'question,answer\na,b\n"c,d\n'
bad '^slick: x\.csv:2: ' x.csv 'question,answer\na,b,c\n'
bad '^slick: x\.tsv:3: .*answer' x.tsv 'question\tanswer\na\tb\nc\t\n'
bad '^slick: x\.txt: ' x.txt 'hello\n'
expect_error 1 '^slick: missing\.jsonl: .*No such file' "$slick" import missing.jsonl
expect_error 1 'colour' "$slick" import own.csv --map question=colour,answer=completion
expect_error 2 "import: --map: .*'nosuch'" "$slick" import own.csv --map nosuch=prompt
expect_error 2 'import: --map: ' "$slick" import own.csv --map question
echo '{"prompt": "a?", "completion": "b"}' >named.jsonl
expect_error 1 ':1: no question.*--map question=NAME' "$slick" import named.jsonl
mkdir folder.jsonl
expect_error 1 '^slick: folder\.jsonl: ' "$slick" import folder.jsonl
[ -z "$(find . -name '*.db*')" ] || fail "a failed import left $(find . -name '*.db*')"
exit 0
