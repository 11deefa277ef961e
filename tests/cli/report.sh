# slick report over studies of known effects (tests/tools/make_study.c), without a model.
. "$SLICK_ROOT/tests/cli/lib.sh"

small='train=80 dev=20 test=40 d=20 stride=4'
# shellcheck disable=SC2086 # words
"$MAKE_STUDY" s.db $small

# --- usage ----------------------------------------------------------------------------------------------------------------------
expect_error 2 '--output \(-o\) is missing.*--json' "$slick" --store s.db report
expect_error 1 'nothing\.db: no such store' "$slick" --store nothing.db report --json
expect_error 1 'study 7' "$slick" --store s.db --quiet report --study 7 --json
echo '{"question": "Q?", "answer": "A", "split": "test"}' >f.jsonl
expect_exit 0 "$slick" import f.jsonl --quiet
expect_error 1 'stud(y|ies)' "$slick" report -o r --quiet # facts, but no study
[ -e r ] && fail "a folder beside an error"

# --- the folder -----------------------------------------------------------------------------------------------------------------
expect_exit 0 "$slick" --store s.db report -o r/
expect_match err "^slick: study 1 'synthetic' of synthetic: 39 of 39 runs are finished\$" '^slick: r/report\.html: 11 figures, 13 tables, 1,[0-9]{3} facts$'
expect_lines out 22
expect_match out '^finding +verdict +measured +95% interval +paper +unit$' '^unknown-hurts +reproduced +−1[0-9]\.[0-9] +−.* to −.* +−14\.0 +points$'
for name in report.html findings.json figures/figure-1.svg figures/figure-3a.svg figures/figure-3b.svg figures/figure-4.svg figures/figure-5.svg \
    figures/figure-6.svg figures/figure-7.svg figures/table-1.svg figures/table-2.svg figures/table-8.svg tables/table-1.csv tables/table-1.md \
    tables/table-2.csv tables/table-3.md tables/table-4.csv tables/table-5.md tables/table-8.csv tables/facts.csv tables/runs.md; do
    [ -s "r/$name" ] || fail "no r/$name"
done
if command -v rsvg-convert >/dev/null; then
    [ "$(find r/figures -name '*.png' -size +5k | wc -l)" = 11 ] || fail "PNG files: $(ls r/figures)"
    head -c 4 r/figures/figure-3a.png | grep -q PNG || fail "figure-3a.png is no PNG"
fi
[ "$(find . -name '*.tmp*' | wc -l)" = 0 ] || fail "temporary files are left"
# The paper's own numbers stand beside.
expect_match r/tables/table-1.md '−8\.30 \|$'
expect_match r/tables/table-2.md 'the paper \| convergence \| 25\.8 \| 55\.8 \| 36\.6 \| 12\.2 \| 3\.2 \|'
expect_match r/tables/table-8.csv '"D_IDK","early stop",.*,61\.8,58\.7$'

# --- once more ------------------------------------------------------------------------------------------------------------------
expect_error 1 'r: exists already \(--force writes over it\)' "$slick" --store s.db --quiet report -o r
cp -r r before
expect_exit 0 "$slick" --store s.db report -o r --force --quiet
diff -r before r >/dev/null || fail "the same study gives another report"
rm r/report.html # as a kill leaves it
expect_exit 0 "$slick" --store s.db report -o r --quiet
diff -r before r >/dev/null || fail "a report that was begun is not finished"
echo mine >r/notes.txt
expect_error 1 'r/notes\.txt: is no part of a report' "$slick" --store s.db --quiet report -o r --force
[ "$(cat r/notes.txt)" = mine ] || fail "somebody's file is gone"

# --- without rsvg-convert ---------------------------------------------------------------------------------------------------------
expect_exit 0 env PATH=/nonexistent "$slick" --store s.db report -o plain --quiet
expect_match err '^slick: .*rsvg-convert is not installed \(Debian: librsvg2-bin\): figures are SVG only'
[ "$(find plain/figures -name '*.png' | wc -l)" = 0 ] || fail "PNG files from nowhere"

# --- findings.json -----------------------------------------------------------------------------------------------------------------
expect_exit 0 "$slick" --store s.db --quiet report --json
expect_lines out 1
expect_json out synthetic model
expect_json out unknown-hurts findings 0 id
expect_json out 1 findings 0 item
expect_json out -14.0 findings 0 paper
expect_json out points findings 0 unit
expect_json out reproduced findings 0 verdict
expect_json out 39 provenance runs 'done'
expect_json out synthetic provenance study name
for item in 1 2 3 4 5 6 7; do
    grep -q "\"item\":$item," out || fail "no finding of item $item"
done
expect_exit 0 "$slick" --store s.db --quiet report --json -o both
expect_lines out 1
[ -s both/findings.json ] || fail "--json and -o: no file"

# --- what is not finished is said ----------------------------------------------------------------------------------------------------
# shellcheck disable=SC2086
"$MAKE_STUDY" gaps.db $small short=3 failed=2 waiting=4
expect_exit 0 "$slick" --store gaps.db report -o gaps
expect_match err '33 of 39 runs are finished' '2 runs failed \(slick study status says why\)' \
    '3 finished runs fitted less than 95% of D and do not count at convergence'
expect_match out '^unknown-hurts +not measured +−14'
expect_match gaps/findings.json '"Not measured: no run fitted 95% of its D\. 3 runs fitted less than 95% of D and do not count\."'
expect_match gaps/tables/runs.csv '"no space on disk"' '"does not count at convergence"' '"waiting"'

# --- too few test facts for the t-test ------------------------------------------------------------------------------------------------
"$MAKE_STUDY" few.db train=80 dev=20 test=2 d=20 stride=4
expect_exit 0 "$slick" --store few.db --quiet report -o few
[ -s few/tables/table-2.csv ] || fail "no table 2 of few facts"

# --- effects turned round turn the verdicts --------------------------------------------------------------------------------------------
# shellcheck disable=SC2086
"$MAKE_STUDY" turned.db $small b_known=-7 b_unknown=8 noise=0.1
expect_exit 0 "$slick" --store turned.db --quiet report --json
expect_json out not findings 0 verdict
expect_match out 'That is the opposite of the paper'
exit 0
