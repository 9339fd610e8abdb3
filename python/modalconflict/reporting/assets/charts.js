// The drawings: Vega-Lite specifications whose colours are the page's own CSS variables, so that light, dark and print need no redrawing.

const COLORS = 8;
const SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left"];
const DASHES = [[1, 0], [7, 3], [2, 2], [9, 3, 2, 3], [5, 5], [1, 3], [12, 3], [4, 2, 1, 2]];
const KEYS = DATA.models.map((_, m) => String(m));
const GUTTER = 46; // width left of every chart, so that the axes stand below each other

const color = { field: "m", type: "nominal", legend: null, scale: { domain: KEYS, range: KEYS.map((k) => `var(--m${k % COLORS})`) } };
const shape = { field: "m", type: "nominal", legend: null, scale: { domain: KEYS, range: KEYS.map((k) => SHAPES[k % COLORS]) } };
const dash = { field: "m", type: "nominal", legend: null, scale: { domain: KEYS, range: KEYS.map((k) => DASHES[k % COLORS]) } };
const described = { field: "said", type: "nominal" };

function across(labels, field = "x") {
  return {
    field, type: "quantitative", scale: { domain: [DATA.edges[0], DATA.edges[BINS]], nice: false },
    axis: { title: null, labels, ticks: labels, values: [-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2], format: ".1f", labelOverlap: true },
  };
}

function chartOf(height, datasets, layer, more = {}) {
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    width: "container", height, background: null, padding: { left: 2, right: 10, top: 6, bottom: 2 },
    autosize: { type: "fit-x", contains: "padding" },
    datasets: Object.fromEntries(datasets.map((name) => [name, []])),
    layer, ...more,
    config: {
      font: "system-ui, sans-serif", view: { stroke: null },
      axis: {
        labelColor: "var(--soft)", titleColor: "var(--soft)", gridColor: "var(--line)", domainColor: "var(--line)", tickColor: "var(--line)",
        labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal", gridOpacity: 0.7,
      },
      axisY: { minExtent: GUTTER, maxExtent: GUTTER }, rule: { color: "var(--soft)" },
    },
  };
}

// The brushed range, behind everything.
function inRange(labels) {
  return { data: { name: "range" }, mark: { type: "rect", color: "var(--mark)", opacity: 0.1, aria: false }, encoding: { x: across(labels, "low"), x2: { field: "high" } } };
}

function lawSpec() {
  const y = { field: "rate", type: "quantitative", scale: { domain: [0, 1] }, axis: { title: null, format: ".0%", values: [0, 0.25, 0.5, 0.75, 1] } };
  const curve = { data: { name: "curves" }, encoding: { x: across(true), opacity: { field: "opacity", type: "quantitative", scale: null, legend: null } } };
  return chartOf(280, ["range", "curves", "bins", "cursor"], [
    inRange(true),
    { data: { values: [{}] }, mark: { type: "rule", strokeDash: [3, 3], aria: false }, encoding: { y: { datum: 0.5 } } },
    { ...curve, mark: { type: "area", opacity: 0.14, aria: false }, encoding: { x: curve.encoding.x, y: { ...y, field: "low" }, y2: { field: "high" }, color } },
    { ...curve, mark: { type: "line", strokeWidth: 2.2, aria: false }, encoding: { ...curve.encoding, y: { ...y, field: "y" }, color, strokeDash: dash } },
    { data: { name: "bins" }, mark: { type: "rule", strokeWidth: 1.2, opacity: 0.7, aria: false }, transform: [{ filter: "!datum.few" }], encoding: { x: across(true), y: { ...y, field: "low" }, y2: { field: "high" }, color } },
    { data: { name: "bins" }, mark: { type: "point", filled: true, size: 80, opacity: 1, strokeWidth: 1.5, cursor: "pointer" }, encoding: { x: across(true), y, color, shape, fillOpacity: { condition: { test: "datum.few", value: 0 }, value: 1 }, description: described } },
    { data: { name: "cursor" }, mark: { type: "point", filled: false, size: 340, strokeWidth: 2.5, color: "var(--mark)", aria: false }, encoding: { x: across(true), y } },
  ]);
}

// One row a model: the balance point with its interval.
function pointsSpec() {
  const y = { field: "m", type: "nominal", sort: null, scale: { domain: KEYS }, axis: { title: null, labels: false, ticks: false, domain: false, grid: true } };
  return chartOf(24 * KEYS.length, ["range", "points"], [
    inRange(false),
    { data: { name: "points" }, mark: { type: "rule", strokeWidth: 6, opacity: 0.35, aria: false }, encoding: { x: across(false, "low"), x2: { field: "high" }, y, color } },
    { data: { name: "points" }, mark: { type: "point", filled: true, size: 90, opacity: 1 }, encoding: { x: across(false), y, color, shape, description: described } },
    { data: { name: "points" }, mark: { type: "text", align: "left", dx: 9, dy: -1, fontSize: 12, color: "var(--ink)", aria: false }, encoding: { x: across(false, "labelAt"), y, text: { field: "label" } } },
  ]);
}

// The single cases that the page holds, in three rows by what was followed.
function casesSpec() {
  const y = {
    field: "row", type: "quantitative", scale: { domain: [-0.5, 2.5], nice: false },
    axis: { title: null, values: [0, 1, 2], grid: false, domain: false, ticks: false, labelExpr: "['image', 'neither', 'text'][datum.value]" },
  };
  const opacity = { condition: { test: "datum.inside", value: 0.85 }, value: 0.15 };
  return chartOf(130, ["range", "cases", "cursor"], [
    inRange(true),
    { data: { name: "cases" }, mark: { type: "point", filled: true, size: 34, cursor: "pointer" }, encoding: { x: across(true), y, color, shape, opacity, description: described } },
    { data: { name: "cursor" }, mark: { type: "point", filled: false, size: 190, strokeWidth: 2.5, color: "var(--mark)", aria: false }, encoding: { x: across(true), y } },
  ]);
}

// Lines along the layers; the key `line` tells apart what one model draws.
function layersSpec(height, dots) {
  const x = { field: "layer", type: "quantitative", axis: { title: "layer", tickMinStep: 1, grid: false, format: "d" }, scale: { nice: false } };
  const y = { field: "difference", type: "quantitative", axis: { title: "\u2190 image \u00b7 text \u2192" } };
  const detail = { field: "line", type: "nominal" };
  const layers = [
    { data: { values: [{}] }, mark: { type: "rule", strokeDash: [3, 3], aria: false }, encoding: { y: { datum: 0 } } },
    { data: { name: "lines" }, mark: { type: "line", aria: false }, encoding: { x, y, detail, color, strokeDash: dash, opacity: { field: "opacity", type: "quantitative", scale: null, legend: null }, strokeWidth: { field: "width", type: "quantitative", scale: null, legend: null } } },
  ];
  if (dots) {
    const side = { field: "label", type: "nominal", legend: null, scale: { domain: ["t", "v", "i"], range: ["var(--text-side)", "var(--image-side)", "var(--soft)"] } };
    layers.push({ data: { name: "lines" }, mark: { type: "point", filled: true, size: 55, opacity: 1 }, encoding: { x, y, shape, fill: side, description: described } });
  }
  return chartOf(height, ["lines"], layers);
}

// The balance point under every index, one line a model.
function indicesSpec() {
  const y = { field: "index", type: "nominal", sort: null, axis: { title: null, labelLimit: 150, minExtent: 0, maxExtent: 200, domain: false, ticks: false, grid: true } };
  const offset = { field: "m", type: "nominal", scale: { domain: KEYS, paddingOuter: 0.6 } };
  return chartOf(DATA.indices.length * (14 * KEYS.length + 16), ["points"], [
    { data: { values: [{}] }, mark: { type: "rule", strokeDash: [3, 3], aria: false }, encoding: { x: { datum: 0, type: "quantitative" } } },
    { data: { name: "points" }, mark: { type: "rule", strokeWidth: 5, opacity: 0.35, aria: false }, encoding: { x: across(true, "low"), x2: { field: "high" }, y, yOffset: offset, color } },
    { data: { name: "points" }, mark: { type: "point", filled: true, size: 80, opacity: 1 }, encoding: { x: across(true), y, yOffset: offset, color, shape, description: described } },
  ]);
}

class Chart {
  static async draw(id, spec, label) {
    const holder = document.getElementById(id);
    const named = ["role", "aria-label", "aria-describedby"].map((name) => [name, holder.getAttribute(name)]);
    const { view } = await vegaEmbed(holder, spec, { ast: true, actions: false, renderer: "svg", tooltip: false, defaultStyle: false, logLevel: 1 });
    view.description(label);
    holder.removeAttribute("aria-roledescription"); // Vega would have the holder be a picture; it is a thing to work with
    for (const [name, value] of named) if (value !== null) holder.setAttribute(name, value);
    return new Chart(holder, view);
  }

  constructor(holder, view) {
    this.holder = holder;
    this.view = view;
  }

  async show(tables) {
    for (const [name, rows] of Object.entries(tables)) this.view.data(name, rows);
    await this.view.runAsync();
  }

  // Where a pointer stands on the axis of relative uncertainty.
  axisAt(event) {
    const box = this.holder.querySelector("svg").getBoundingClientRect();
    return this.view.scale("x").invert(event.clientX - box.left - this.view.origin()[0]);
  }

  // Where a datum stands on the screen.
  place(x, scaled) {
    const box = this.holder.querySelector("svg").getBoundingClientRect(), [left, top] = this.view.origin();
    return [box.left + left + this.view.scale("x")(x), box.top + top + scaled];
  }
}
