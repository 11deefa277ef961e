# The report in a browser: headless Chromium opens it from disk, the page tests itself (report.html#selftest, src/report/assets/script.js):
# every figure is visible and nothing of it is cut off, the table of facts filters, sorts and stays fast, no text became markup. Here: no
# message on the console, at 1280 and 400 px, light and dark; texts that would break a page; 20,000 facts. And a broken page fails.
. "$SLICK_ROOT/tests/cli/lib.sh"

browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) ||
    fail "no Chromium: tools/install-deps.sh browser"

# page FILE WIDTH light|dark: the document as the browser has it after its scripts, in ./dom; the console in ./console.
page() {
    local scheme=1
    [ "$3" = light ] || scheme=0
    timeout 300 "$browser" --headless --no-sandbox --disable-gpu --user-data-dir="$PWD/profile" --window-size="$2,1200" \
        --blink-settings=preferredColorScheme=$scheme --enable-logging=stderr \
        --dump-dom "file://$PWD/$1#selftest" >dom 2>log </dev/null || fail "the browser failed: $(tail -3 log)"
    grep ':CONSOLE' log >console || true
}
verdict() { grep -o '<html[^>]*' dom | grep -o 'data-selftest="[^"]*"' || echo 'no selftest'; }
expect_good() { # FILE WIDTH SCHEME REGEX
    page "$1" "$2" "$3"
    verdict | grep -Eq "$4" || fail "$1 at $2 px, $3: $(verdict | sed 's/ | /\n  /g')"
    [ -s console ] && fail "$1: the console says: $(cat console)"
    echo "$1 at $2 px, $3: $(verdict)"
}

"$MAKE_STUDY" s.db
expect_exit 0 "$slick" --store s.db report -o plain --quiet
for width in 1280 400; do
    for scheme in light dark; do
        expect_good plain/report.html $width $scheme '"ok 11 figures, [0-9]+ facts"'
    done
done

# Two learning rates, short and failed runs, hostile texts.
"$MAKE_STUDY" h.db hostile=1 lrs=2 short=2 failed=2 waiting=1 train=80 dev=20 test=40 d=20 stride=4
expect_exit 0 "$slick" --store h.db report -o hostile --quiet
expect_good hostile/report.html 1280 light '"ok 1[0-9] figures'
expect_good hostile/report.html 400 dark '"ok 1[0-9] figures'

# One seed, nothing but shares of Unknown, many facts.
"$MAKE_STUDY" b.db all=0 seeds=1 epochs=3 p_true=0 train=400 test=1600 d=100
expect_exit 0 "$slick" --store b.db report -o big --quiet
[ "$(wc -l <big/tables/facts.csv)" -gt 19000 ] || fail "only $(wc -l <big/tables/facts.csv) facts"
expect_good big/report.html 1280 light '"ok [0-9]+ figures, (19|2[0-9])[0-9]{3} facts"'

# Nothing finished: still a page.
"$MAKE_STUDY" w.db waiting=39 train=80 dev=20 test=40 d=20
expect_exit 0 "$slick" --store w.db report -o waiting --quiet
expect_good waiting/report.html 400 light '"ok 1 figures'

# The test can fail: a hidden figure, an error, text as markup.
sed 's/<figure data-figure="figure-4"/& style="display:none"/' plain/report.html >hidden.html
page hidden.html 1280 light
verdict | grep -q 'FAILED.*figure-4: 0 drawings' || fail "a hidden figure passes: $(verdict)"
sed 's/function update() {/& if (!state.sort) nosuchfunction();/' plain/report.html >error.html
page error.html 1280 light
[ -s console ] || fail "an error on the page is not on the console"
verdict | grep -q '"ok' && fail "a page with an error passes"
# (alert() would wait for somebody)
sed 's/span.textContent = text;/span.innerHTML = text;/; s/e.textContent = text;/e.innerHTML = text;/; s/alert(1)/0/g' hostile/report.html >markup.html
page markup.html 1280 light
verdict | grep -q 'FAILED.*text became markup' || fail "markup from data passes: $(verdict)"
rm -rf profile
exit 0
