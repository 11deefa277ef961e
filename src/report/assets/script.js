"use strict";
/* The table of facts, and the page's test of itself (report.html#selftest). */
(function () {
  const errors = [];
  window.addEventListener("error", (e) => errors.push(String(e.message)));
  const $ = (id) => document.getElementById(id);
  const KINDS = ["HighlyKnown", "MaybeKnown", "WeaklyKnown", "Unknown", "no label"];
  const data = JSON.parse($("facts-data").textContent);
  const columns = data.columns; /* name -> array, all of one length */
  const n = columns.question.length;
  const body = $("facts-body"), inner = $("facts-inner"), count = $("facts-count"), card = $("facts-card");
  const state = { text: "", kinds: new Set(), relation: -1, split: -1, sort: "", down: false };
  let order = [], rows = new Map(), open = -1;

  const haystack = new Array(n); /* made when first searched */
  const find = (i) => haystack[i] || (haystack[i] = (columns.question[i] + "\n" + columns.answer[i] + "\n" + columns.seen[i].map((s) => s[0]).join("\n")).toLowerCase());
  const share = (v) => (v < 0 ? "–" : v.toFixed(0) + "%");

  function matches(i, words) {
    if (state.kinds.size && !state.kinds.has(columns.category[i])) return false;
    if (state.relation >= 0 && columns.relation[i] !== state.relation) return false;
    if (state.split >= 0 && columns.split[i] !== state.split) return false;
    return words.every((w) => find(i).includes(w));
  }

  const collator = new Intl.Collator();
  function compare(name) {
    const column = columns[name];
    if (name === "relation") return (a, b) => collator.compare(data.relations[column[a]], data.relations[column[b]]);
    if (typeof column[0] === "string") return (a, b) => collator.compare(column[a], column[b]);
    return (a, b) => column[a] - column[b];
  }

  function update() {
    const words = state.text.toLowerCase().split(/\s+/).filter(Boolean);
    order = [];
    for (let i = 0; i < n; i++) if (matches(i, words)) order.push(i);
    if (state.sort && n) {
      const by = compare(state.sort), sign = state.down ? -1 : 1;
      order.sort((a, b) => sign * by(a, b) || a - b);
    }
    count.textContent = order.length.toLocaleString("en") + (order.length === n ? " facts" : " of " + n.toLocaleString("en") + " facts");
    body.scrollTop = 0;
    rows.forEach((row) => row.remove());
    rows.clear();
    draw();
  }

  function cell(row, text, kind) {
    const span = document.createElement("span");
    span.className = kind;
    span.textContent = text;
    if (text.length > 12) span.title = text;
    row.appendChild(span);
  }

  const rowHeight = () => (window.matchMedia("(max-width: 640px)").matches ? 56 : 34);
  function makeRow(i) {
    const row = document.createElement("div");
    row.className = "grid-row" + (i === open ? " is-open" : "");
    row.setAttribute("role", "row");
    const kind = columns.category[i];
    cell(row, KINDS[kind], "kind k" + kind);
    cell(row, data.relations[columns.relation[i]], "wide");
    cell(row, columns.question[i], "q");
    cell(row, columns.answer[i], "a");
    cell(row, share(columns.greedy[i]), "n g");
    cell(row, share(columns.sampled[i]), "n wide");
    cell(row, share(columns.early[i]), "n wide");
    cell(row, share(columns.late[i]), "n wide");
    row.addEventListener("click", () => show(i));
    return row;
  }

  function draw() {
    const h = rowHeight();
    inner.style.height = order.length * h + "px";
    const first = Math.max(0, Math.floor(body.scrollTop / h) - 6);
    const last = Math.min(order.length, Math.ceil((body.scrollTop + body.clientHeight) / h) + 6);
    rows.forEach((row, at) => { if (at < first || at >= last) { row.remove(); rows.delete(at); } });
    for (let at = first; at < last; at++) {
      if (rows.has(at)) continue;
      const row = makeRow(order[at]);
      row.style.top = at * h + "px";
      rows.set(at, row);
      inner.appendChild(row);
    }
  }

  function add(parent, name, text, kind) {
    const e = document.createElement(name);
    e.textContent = text;
    if (kind) e.className = kind;
    parent.appendChild(e);
    return e;
  }

  function show(i) {
    open = i;
    card.textContent = "";
    add(card, "h3", columns.question[i]);
    const kind = columns.category[i];
    const line = add(card, "div", "");
    add(line, "span", KINDS[kind], "kind k" + kind);
    add(line, "span", " · " + data.relations[columns.relation[i]] + " · " + data.splits[columns.split[i]], "soft");
    add(card, "div", "True answer: " + columns.answer[i] + (columns.aliases[i] ? " (also: " + columns.aliases[i] + ")" : ""));
    const p = ["greedy " + share(columns.greedy[i]), "sampled " + share(columns.sampled[i]), "exact probability " + (columns.gold[i] < 0 ? "–" : columns.gold[i].toFixed(1) + "%")];
    if (columns.ptrue[i] >= 0) p.push("P(True) " + columns.ptrue[i].toFixed(0) + "%");
    add(card, "div", "Right before fine-tuning: " + p.join(", "), "soft");
    if (columns.early[i] >= 0) add(card, "div", "Right after fine-tuning, share of runs: " + share(columns.early[i]) + " at the early stop, " + share(columns.late[i]) + " at the end", "soft");
    const seen = columns.seen[i];
    if (seen.length) {
      add(card, "div", "The model’s answers before fine-tuning:");
      const list = add(card, "ul", "");
      for (const s of seen) add(list, "li", (s[1] ? "✓ " : "") + (s[0] === "" ? "(nothing)" : s[0]) + " — " + s[2] + " greedy, " + s[3] + " sampled");
      if (columns.unseen[i]) add(list, "li", "and " + columns.unseen[i] + " more", "soft");
    } else add(card, "div", "No answers were recorded.", "soft");
    rows.forEach((row, at) => row.classList.toggle("is-open", order[at] === i));
  }

  function option(select, value, text) {
    const o = add(select, "option", text);
    o.value = value;
  }
  option($("facts-relation"), -1, "all relations");
  data.relations.map((name, i) => [name, i]).sort((a, b) => collator.compare(a[0], b[0])).forEach(([name, i]) => option($("facts-relation"), i, name || "(none)"));
  option($("facts-split"), -1, "all facts");
  data.splits.forEach((name, i) => option($("facts-split"), i, name));

  $("facts-search").addEventListener("input", (e) => { state.text = e.target.value; update(); });
  $("facts-relation").addEventListener("change", (e) => { state.relation = +e.target.value; update(); });
  $("facts-split").addEventListener("change", (e) => { state.split = +e.target.value; update(); });
  document.querySelectorAll(".chip").forEach((chip) => chip.addEventListener("click", () => {
    const kind = +chip.dataset.kind, on = !state.kinds.has(kind);
    if (on) state.kinds.add(kind); else state.kinds.delete(kind);
    chip.setAttribute("aria-pressed", on);
    update();
  }));
  document.querySelectorAll(".grid-head button").forEach((button) => button.addEventListener("click", () => {
    const name = button.dataset.sort;
    if (state.sort === name && state.down === (button.dataset.first !== "up")) state.down = !state.down;
    else if (state.sort === name) { state.sort = ""; }
    else { state.sort = name; state.down = button.dataset.first !== "up"; }
    document.querySelectorAll(".grid-head button").forEach((b) => b.removeAttribute("aria-sort"));
    if (state.sort) button.setAttribute("aria-sort", state.down ? "descending" : "ascending");
    update();
  }));
  body.addEventListener("scroll", draw, { passive: true });
  window.addEventListener("resize", () => { rows.forEach((row) => row.remove()); rows.clear(); draw(); });
  update();
  if (n) show(order[0]);

  /* --- test ------------------------------------------------------------------------------------------------------ */

  function selftest() {
    const bad = [];
    const check = (ok, what) => { if (!ok) bad.push(what); };
    check(errors.length === 0, "errors: " + errors.join("; "));
    const figures = [...document.querySelectorAll("figure[data-figure]")];
    check(figures.length > 0, "no figures");
    for (const figure of figures) {
      const shown = [...figure.querySelectorAll("svg")].filter((svg) => svg.getClientRects().length);
      check(shown.length === 1, figure.dataset.figure + ": " + shown.length + " drawings are visible");
      for (const svg of shown) {
        const box = svg.getBoundingClientRect();
        check(box.width > 200 && box.height > 60, figure.dataset.figure + ": is " + box.width + " x " + box.height);
        check(box.right <= document.documentElement.clientWidth + 1, figure.dataset.figure + ": is cut at the right");
        for (const text of svg.querySelectorAll("text")) {
          const t = text.getBoundingClientRect();
          check(t.left >= box.left - 2 && t.right <= box.right + 2, figure.dataset.figure + ": text outside: " + text.textContent);
          check(t.top >= box.top - 3 && t.bottom <= box.bottom + 3, figure.dataset.figure + ": text above or below: " + text.textContent);
        }
      }
    }
    check(document.documentElement.scrollWidth <= document.documentElement.clientWidth, "the page scrolls sideways: " + document.documentElement.scrollWidth);
    const all = order.length, search = $("facts-search");
    check(all === n, "not all facts at first");
    const type = (text) => { search.value = text; search.dispatchEvent(new Event("input")); };
    if (n) {
      type(columns.question[n - 1]);
      check(order.includes(n - 1) && order.length < Math.max(2, n), "search does not find the last question");
      type("no fact has this text in it, surely");
      check(order.length === 0, "search finds what is not there");
      type("");
      check(order.length === n, "an empty search hides facts");
      for (let kind = 0; kind < 4; kind++) {
        const chip = document.querySelector('.chip[data-kind="' + kind + '"]');
        chip.click();
        check(order.every((i) => columns.category[i] === kind), "the chip " + KINDS[kind] + " does not filter");
        check(order.length === columns.category.filter((c) => c === kind).length, "the chip " + KINDS[kind] + " hides too much");
        chip.click();
      }
      document.querySelectorAll(".grid-head button").forEach((button) => {
        if (!button.getClientRects().length) return;
        button.click();
        const by = compare(button.dataset.sort), sign = state.down ? -1 : 1;
        let sorted = order.length === n;
        for (let k = 1; k < order.length; k++) sorted = sorted && sign * by(order[k - 1], order[k]) <= 0;
        check(sorted, "not sorted by " + button.dataset.sort);
        check(button.hasAttribute("aria-sort"), "no mark on " + button.dataset.sort);
      });
      state.sort = "";
      document.querySelectorAll(".grid-head button").forEach((b) => b.removeAttribute("aria-sort"));
      const began = performance.now();
      for (let k = 0; k < 5; k++) type(k % 2 ? "a" : "");
      const each = (performance.now() - began) / 5;
      check(each < 200, "filtering takes " + each.toFixed(0) + " ms");
      type("");
      body.scrollTop = inner.clientHeight / 2;
      draw();
      check(rows.size > 5 || n <= 5, "no rows in the middle");
      check(rows.size < 80, rows.size + " rows at once");
      body.scrollTop = 0;
      draw();
      check(inner.querySelectorAll("script, img, b, i").length === 0 && card.querySelectorAll("script, img, b, i").length === 0, "text became markup");
    }
    check(document.querySelectorAll("script").length === 2, "another script is on the page");
    document.documentElement.dataset.selftest = bad.length ? "FAILED: " + bad.join(" | ") : "ok " + figures.length + " figures, " + n + " facts";
  }
  if (location.hash === "#selftest") selftest();
})();
