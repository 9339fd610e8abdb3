// The explorer: one state, controls that change it, and everything redrawn from it.

const state = {
  index: DATA.chosen,
  hidden: { models: new Set(), d_v: new Set(), d_t: new Set() },
  from: 0, to: FINE_BINS, // the brushed range, fine edges
  open: null, // [model, place among its cases]
  shown: PAGE_OF_CASES,
  cursor: { law: -1, cases: -1 }, // what the arrow keys stand on
};
const drawn = { bins: [], cases: [] }; // what the charts show, left to right
const charts = {};
const $ = (id) => document.getElementById(id);

const brushed = () => state.from > 0 || state.to < FINE_BINS;
const filtered = () => state.hidden.d_v.size > 0 || state.hidden.d_t.size > 0;
const shownModels = () => DATA.models.map((_, m) => m).filter((m) => !state.hidden.models.has(m));
const inTiers = (one) => !state.hidden.d_v.has(levelOf(one, 0)) && !state.hidden.d_t.has(levelOf(one, 1));
const rangeWords = () => `${signed(fineEdge(state.from))} to ${signed(fineEdge(state.to))}`;

function levelOf(one, side) {
  return one.levelValue[side];
}

function inRangeOf(one) {
  const x = one.delta[state.index];
  return x !== null && x >= fineEdge(state.from) && (x < fineEdge(state.to) || state.to === FINE_BINS);
}

function say(text) {
  $("explorer-said").textContent = text;
}

// ---- what the charts draw -------------------------------------------------------------------------------------------

function sayBin(m, bin) {
  const head = `${MANY ? DATA.models[m].name + ": " : ""}${symbolOf(state.index)} ${signed(fineEdge(bin.from))} to ${signed(fineEdge(bin.to))}`;
  return `${head}\n${percent(bin.rate)} of ${whole(bin.decided)} decided cases follow the text (${percent(bin.low)} to ${percent(bin.high)})` +
    (bin.other ? `\n${whole(bin.other)} more follow neither` : "");
}

function lawTables(rows) {
  const curves = [];
  for (const m of shownModels()) {
    const { curve } = DATA.models[m].laws[state.index];
    if (curve) curve.x.forEach((x, i) => curves.push({ m: String(m), x, y: curve.y[i], low: curve.low ? curve.low[i] : null, high: curve.high ? curve.high[i] : null, opacity: filtered() ? 0.35 : 1 }));
  }
  drawn.bins = shownModels().flatMap((m) => drawnBins(m, rows.get(m))).map((bin) => ({ ...bin, kind: "bin", said: sayBin(Number(bin.m), bin) }));
  drawn.bins.sort((a, b) => a.bin - b.bin || a.m - b.m);
  return { curves, bins: drawn.bins };
}

function pointRow(m, index) {
  const { point, preference } = DATA.models[m].laws[index];
  const ends = [point.low ?? DATA.edges[0], point.high ?? DATA.edges[BINS]].map((x) => Math.min(Math.max(x, DATA.edges[0]), DATA.edges[BINS]));
  const x = point.estimate === null ? null : Math.min(Math.max(point.estimate, DATA.edges[0]), DATA.edges[BINS]);
  const label = x === null ? preference : describePoint(point);
  return { m: String(m), x, low: x === null ? null : ends[0], high: x === null ? null : ends[1], label,
    labelAt: x === null ? DATA.edges[0] : Math.min(ends[1], 1.1), said: `${DATA.models[m].name}: balance point ${label}` };
}

function caseTables() {
  drawn.cases = shownModels().flatMap((m) => DATA.models[m].cases.map((one, i) => ({ one, i, m })))
    .filter(({ one }) => one.delta[state.index] !== null && inTiers(one))
    .map(({ one, i, m }) => ({ kind: "case", m: String(m), i, x: one.delta[state.index], row: ROW_OF_OUTCOME[one.outcome] + jitter(one.id), inside: inRangeOf(one), said: sayCase(m, one, state.index) }));
  drawn.cases.sort((a, b) => a.x - b.x || a.m - b.m || a.i - b.i);
  return drawn.cases;
}

function profileLines() {
  const lines = [];
  for (const m of shownModels()) {
    const add = (part, line, opacity, width) => part && part.mean.forEach((difference, i) => lines.push({ m: String(m), line: line + m, layer: i + 1, difference, opacity, width }));
    add(profile(m, state.index, 0, FINE_BINS), "all", brushed() ? 0.3 : 1, 2);
    if (brushed()) add(profile(m, state.index, Math.ceil(state.from / DATA.parts) * DATA.parts, Math.floor(state.to / DATA.parts) * DATA.parts), "range", 1, 3);
  }
  return lines;
}

// ---- words and tables -----------------------------------------------------------------------------------------------

function row(cells, head = false) {
  return element("tr", {}, ...cells.map((cell, i) => element(head || i === 0 ? "th" : "td", { scope: head ? "col" : i === 0 ? "row" : null }, ...(Array.isArray(cell) ? cell : [cell]))));
}

function showNumbers(rows) {
  const head = row(["model", "cases", "follow the text", "neither", "balance point", "rank correlation", "violation p"], true);
  const body = shownModels().map((m) => {
    const part = shareIn(rows.get(m), state.from, state.to), law = DATA.models[m].laws[state.index];
    const rate = part.rate === null ? "\u2013" : `${percent(part.rate, 1)} (${percent(part.low)} to ${percent(part.high)})`;
    return row([[swatch(m), DATA.models[m].name], whole(part.n), rate, part.n ? percent(part.other / part.n, 1) : "\u2013",
      describePoint(law.point), signed(law.spearman), law.violation === null ? "\u2013" : law.violation.toFixed(3)]);
  });
  $("explorer-numbers").replaceChildren(element("thead", {}, head), element("tbody", {}, ...body));
  const bins = drawn.bins.map((bin) => row([`${signed(fineEdge(bin.from))} to ${signed(fineEdge(bin.to))}`, DATA.models[bin.m].name, whole(bin.decided), percent(bin.rate, 1), `${percent(bin.low, 1)} to ${percent(bin.high, 1)}`, whole(bin.other)]));
  $("explorer-bins").replaceChildren(element("thead", {}, row([symbolOf(state.index), "model", "decided cases", "follow the text", "interval", "neither"], true)), element("tbody", {}, ...bins));
}

function showWords() {
  const symbol = symbolOf(state.index);
  $("explorer-axis").textContent = `${symbol}, relative ${wordsOf(state.index)}  (\u2190 text easier \u00b7 image easier \u2192)`;
  $("explorer-scope").textContent = [
    brushed() ? `Cases with ${symbol} from ${rangeWords()}.` : "All cases.",
    filtered() ? "Only the chosen tiers are counted; curves, balance points, rank correlation and violation p (pale) are those of all tiers." : null,
  ].filter(Boolean).join(" ");
  $("explorer-from").value = fineEdge(state.from).toFixed(2);
  $("explorer-to").value = fineEdge(state.to).toFixed(2);
  $("explorer-clear").disabled = !brushed();
}

function showCases() {
  const found = drawn.cases.filter((c) => c.inside);
  const used = shownModels().reduce((n, m) => n + DATA.models[m].used, 0);
  const kept = shownModels().reduce((n, m) => n + DATA.models[m].cases.length, 0);
  $("explorer-kept").textContent = `${whole(found.length)} of the ${whole(kept)} single cases on this page lie here` +
    (kept < used ? `; they are a sample, drawn evenly over bins and outcomes, of ${whole(used)} that count. Curves, points and tables count all.` : ", which are all that count.");
  $("explorer-list").replaceChildren(...found.slice(0, state.shown).map((c) => {
    const open = state.open !== null && state.open[0] === Number(c.m) && state.open[1] === c.i;
    return caseButton(Number(c.m), DATA.models[c.m].cases[c.i], state.index, open, () => openCase(Number(c.m), c.i, true));
  }));
  $("explorer-more").hidden = found.length <= state.shown;
}

function sameCase(m, id) {
  return shownModels().filter((k) => k !== m).map((k) => [k, DATA.models[k].cases.find((c) => c.id === id)]).filter(([, c]) => c);
}

function showOpenCase() {
  const holder = $("explorer-case");
  $("explorer-case-layers").hidden = true;
  if (state.open === null) return holder.replaceChildren();
  const [m, i] = state.open, one = DATA.models[m].cases[i], elsewhere = sameCase(m, one.id);
  holder.replaceChildren(caseArticle(m, one, state.index, elsewhere));
  if (!one.layers) return;
  $("explorer-case-layers").hidden = false;
  const lines = [[m, one], ...elsewhere].filter(([, c]) => c.layers).flatMap(([k, c]) => c.layers.map(([label, difference, , tokens], layer) => ({
    m: String(k), line: String(k), layer: layer + 1, difference, label, opacity: k === m ? 1 : 0.45, width: k === m ? 2.2 : 1.6,
    said: `${DATA.models[k].name}, layer ${layer + 1}: ${tokens.map((t) => DATA.tokens[t]).join(", ")}; text minus image ${signed(difference, 1)}`, kind: "layer" })));
  charts.open.show({ lines });
}

// What the arrow keys stand on, and the open case.
function cursors() {
  const bin = drawn.bins[state.cursor.law], dot = drawn.cases[state.cursor.cases];
  const open = state.open && drawn.cases.find((c) => Number(c.m) === state.open[0] && c.i === state.open[1]);
  return { law: bin ? [{ x: bin.x, rate: bin.rate }] : [], cases: [dot, open].filter(Boolean).map(({ x, row }) => ({ x, row })) };
}

// Only the cursors: the lists stay as they are, or a button that was just reached would be taken from under the focus.
function showCursors() {
  const { law, cases } = cursors();
  charts.law.show({ cursor: law });
  charts.cases.show({ cursor: cases });
}

async function redraw() {
  const rows = new Map(shownModels().map((m) => [m, sums(m, state.index, state.hidden)]));
  const range = brushed() ? [{ low: fineEdge(state.from), high: fineEdge(state.to) }] : [];
  const tables = lawTables(rows), cases = caseTables();
  const cursor = cursors();
  showWords();
  showNumbers(rows);
  showCases();
  await Promise.all([
    charts.law.show({ range, ...tables, cursor: cursor.law }),
    charts.points.show({ range, points: shownModels().map((m) => pointRow(m, state.index)) }),
    charts.cases.show({ range, cases, cursor: cursor.cases }),
    charts.layers ? charts.layers.show({ lines: profileLines() }) : null,
  ]);
  document.documentElement.dataset.explorer = "drawn"; // whoever waits for the charts can see that they stand
}

// ---- what a person can do -------------------------------------------------------------------------------------------

function setRange(from, to, spoken = true) {
  state.from = Math.max(0, Math.min(from, FINE_BINS - 1));
  state.to = Math.min(FINE_BINS, Math.max(to, state.from + 1));
  state.shown = PAGE_OF_CASES;
  redraw();
  if (spoken) say(brushed() ? `${symbolOf(state.index)} from ${rangeWords()}: ${drawn.cases.filter((c) => c.inside).length} single cases` : "Whole range");
}

function openCase(m, i, focus) {
  state.open = [m, i];
  showOpenCase();
  redraw();
  const heading = $("explorer-case").querySelector("h4");
  if (focus) heading.focus({ preventScroll: true });
  $("explorer-case").scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  say(sayCase(m, DATA.models[m].cases[i], state.index));
}

function brushWith(chart) {
  let start = null, moved = false;
  chart.holder.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    start = chart.axisAt(event);
    moved = false;
  });
  window.addEventListener("pointermove", (event) => {
    if (start === null) return;
    const ends = [start, chart.axisAt(event)].map((x) => nearestEdge(Math.min(Math.max(x, DATA.edges[0]), DATA.edges[BINS]))).sort((a, b) => a - b);
    if (!moved && ends[1] - ends[0] < 1) return;
    moved = true;
    hint.hide();
    setRange(ends[0], ends[1], false);
  });
  window.addEventListener("pointerup", () => {
    if (start !== null && moved) say(`${symbolOf(state.index)} from ${rangeWords()}`);
    start = null;
  });
  window.addEventListener("pointercancel", () => (start = null));
  return () => moved;
}

function listen(chart, wasBrushed) {
  chart.view.addEventListener("pointermove", (event, item) => {
    const datum = item && item.datum;
    if (event.buttons || !datum || !datum.kind) return hint.hide();
    if (datum.kind === "bin") hint.show(event.clientX, event.clientY, ...hint.ofBin(datum));
    else if (datum.kind === "case") hint.show(event.clientX, event.clientY, ...hint.ofCase(Number(datum.m), DATA.models[datum.m].cases[datum.i], state.index));
    else hint.show(event.clientX, event.clientY, element("div", {}, element("p", {}, datum.said)));
  });
  chart.holder.addEventListener("pointerleave", () => hint.hide());
  chart.view.addEventListener("click", (event, item) => {
    if (wasBrushed()) return;
    choose(item && item.datum);
  });
}

function choose(datum) {
  if (!datum || !datum.kind) return;
  if (datum.kind === "bin") setRange(datum.from, datum.to);
  if (datum.kind === "case") openCase(Number(datum.m), datum.i, false);
}

// Arrow keys walk over what a chart shows, Enter chooses, Escape takes the range back.
function walk(chart, name, items, describe) {
  chart.holder.addEventListener("keydown", (event) => {
    const all = items(), steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, Home: -Infinity, End: Infinity };
    if (event.key === "Escape") return setRange(0, FINE_BINS);
    if ((event.key === "Enter" || event.key === " ") && all[state.cursor[name]]) {
      event.preventDefault();
      return choose(all[state.cursor[name]]);
    }
    if (!(event.key in steps) || !all.length) return;
    event.preventDefault();
    state.cursor[name] = Math.max(0, Math.min(all.length - 1, state.cursor[name] + steps[event.key]));
    showCursors();
    say(describe(all[state.cursor[name]]));
  });
  chart.holder.addEventListener("blur", () => {
    state.cursor[name] = -1;
    showCursors();
  });
}

function toggles(side, title) {
  const values = [...new Set(DATA.models.flatMap((model) => model.levels[side]))].filter((v) => v !== null).sort((a, b) => a - b);
  const holder = $("explorer-" + side);
  if (values.length < 2) return holder.remove();
  const boxes = values.map((value) => element("input", { type: "checkbox", id: `explorer-${side}-${value}`, value, checked: true,
    onchange: (event) => { state.hidden[side][event.target.checked ? "delete" : "add"](value); redraw(); } }));
  const all = element("button", { type: "button", class: "quiet", onclick: () => {
    const hide = boxes.every((box) => box.checked);
    boxes.forEach((box, i) => { box.checked = !hide; state.hidden[side][hide ? "add" : "delete"](values[i]); });
    redraw();
  } }, "all or none");
  holder.append(element("legend", {}, title), ...values.map((value, i) => element("span", { class: "tick" }, boxes[i], element("label", { for: boxes[i].id }, String(value)))), all);
}

function controls() {
  const select = $("explorer-index");
  select.append(...DATA.indices.map((name, i) => element("option", { value: i, selected: i === state.index }, name.replaceAll("_", " "))));
  select.addEventListener("change", () => {
    state.index = Number(select.value);
    redraw();
    if (state.open !== null) showOpenCase();
    say(`Uncertainty index ${wordsOf(state.index)}`);
  });
  if (MANY) {
    $("explorer-models").append(element("legend", {}, "models"), ...DATA.models.map((model, m) => element("span", { class: "tick" },
      element("input", { type: "checkbox", id: `explorer-model-${m}`, checked: true, onchange: (event) => { state.hidden.models[event.target.checked ? "delete" : "add"](m); redraw(); } }),
      element("label", { for: `explorer-model-${m}` }, swatch(m), model.name))));
  } else $("explorer-models").remove();
  toggles("d_v", "image tiers");
  toggles("d_t", "text tiers");
  const typed = () => {
    const from = Number($("explorer-from").value), to = Number($("explorer-to").value);
    if (Number.isFinite(from) && Number.isFinite(to)) setRange(nearestEdge(from), nearestEdge(to));
  };
  $("explorer-from").addEventListener("change", typed);
  $("explorer-to").addEventListener("change", typed);
  $("explorer-clear").addEventListener("click", () => setRange(0, FINE_BINS));
  $("explorer-more").addEventListener("click", () => { state.shown += PAGE_OF_CASES; showCases(); });
  const theme = $("explorer-theme");
  theme.addEventListener("change", () => {
    if (theme.value === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme.value;
  });
}

async function begin() {
  DATA.models.forEach((model) => model.cases.forEach((one) => { one.levelValue = [model.levels.d_v[one.level[0]], model.levels.d_t[one.level[1]]]; }));
  $("explorer").hidden = false;
  $("no-explorer").remove();
  $("theme-choice").hidden = false;
  document.body.append(hint.box);
  controls();
  charts.law = await Chart.draw("explorer-law", lawSpec(), "Share of the cases that follow the text, by relative uncertainty");
  charts.points = await Chart.draw("explorer-points", pointsSpec(), "Balance points with their intervals");
  charts.cases = await Chart.draw("explorer-cases", casesSpec(), "Single cases by relative uncertainty, in rows by what was followed");
  charts.open = await Chart.draw("explorer-case-chart", layersSpec(150, true), "Logit difference along the layers of the open case");
  if (DATA.models.some((model) => model.layers[0])) charts.layers = await Chart.draw("explorer-layers", layersSpec(190, false), "Mean logit difference along the layers");
  else $("explorer-layers-part").remove();
  if (DATA.indices.length > 1) {
    charts.indices = await Chart.draw("explorer-indices", indicesSpec(), "Balance points under every uncertainty index");
    await charts.indices.show({ points: DATA.indices.flatMap((name, i) => DATA.models.map((_, m) => ({ ...pointRow(m, i), index: name.replaceAll("_", " ") }))) });
  } else $("explorer-indices-part").remove();
  for (const name of ["law", "cases", "points"]) listen(charts[name], brushWith(charts[name]));
  listen(charts.open, () => false);
  walk(charts.law, "law", () => drawn.bins, (bin) => bin.said.replaceAll("\n", ". "));
  walk(charts.cases, "cases", () => drawn.cases, (dot) => dot.said);
  await redraw();
}

begin();
