// Sums over the counts, and Wilson's interval of a share. No case is sampled here: the counts hold every one.

const DATA = JSON.parse(document.getElementById("explorer-data").textContent);
const BINS = DATA.edges.length - 1;
const FINE_BINS = BINS * DATA.parts;
const OUTCOMES = DATA.outcomes.length;
const MANY = DATA.models.length > 1;
const FEW = 5; // bins with fewer cases are drawn hollow, as in the figures

function fineEdge(i) {
  if (i >= FINE_BINS) return DATA.edges[BINS];
  const bin = Math.floor(i / DATA.parts);
  return DATA.edges[bin] + ((DATA.edges[bin + 1] - DATA.edges[bin]) * (i % DATA.parts)) / DATA.parts;
}

// The fine edge nearest to a value of the axis.
function nearestEdge(x) {
  let low = 0, high = FINE_BINS;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (fineEdge(middle) <= x) low = middle; else high = middle;
  }
  return x - fineEdge(low) <= fineEdge(high) - x ? low : high;
}

const unpacked = new Map();

// Counts of one model under one index: [image tier][text tier][outcome][fine bin], flat.
function counts(m, index) {
  const key = m + ":" + index;
  if (!unpacked.has(key)) {
    const model = DATA.models[m];
    const flat = new Int32Array(model.levels.d_v.length * model.levels.d_t.length * OUTCOMES * FINE_BINS);
    const pairs = model.counts[index];
    for (let i = 0, place = -1; i < pairs.length; i += 2) {
      place += pairs[i] + 1;
      flat[place] = pairs[i + 1];
    }
    unpacked.set(key, flat);
  }
  return unpacked.get(key);
}

// Counts over the chosen tiers: [outcome][fine bin]. A tier counts unless its value is in `hidden`.
function sums(m, index, hidden) {
  const flat = counts(m, index), { d_v: vs, d_t: ts } = DATA.models[m].levels;
  const out = Array.from({ length: OUTCOMES }, () => new Int32Array(FINE_BINS));
  vs.forEach((v, i) => {
    if (hidden.d_v.has(v)) return;
    ts.forEach((t, j) => {
      if (hidden.d_t.has(t)) return;
      for (let o = 0; o < OUTCOMES; o++) {
        const start = ((i * ts.length + j) * OUTCOMES + o) * FINE_BINS;
        for (let b = 0; b < FINE_BINS; b++) out[o][b] += flat[start + b];
      }
    });
  });
  return out;
}

function total(row, from, to) {
  let n = 0;
  for (let i = from; i < to; i++) n += row[i];
  return n;
}

// Wilson (1927), Probable inference, the law of succession, and statistical inference.
function wilson(k, n) {
  if (n === 0) return [null, null];
  const z = DATA.z, share = k / n, scale = 1 + (z * z) / n;
  const centre = (share + (z * z) / (2 * n)) / scale;
  const half = (z / scale) * Math.sqrt((share * (1 - share)) / n + (z * z) / (4 * n * n));
  return [Math.max(0, centre - half), Math.min(1, centre + half)];
}

// Cases between two fine edges: how many, how many of them decided, what share followed the text.
function shareIn(rows, from, to) {
  const [text, vision, other] = rows.map((row) => total(row, from, to));
  const decided = text + vision;
  const [low, high] = wilson(text, decided);
  return { n: decided + other, decided, text, other, rate: decided ? text / decided : null, low, high };
}

// One row a drawn bin that holds a decided case; x is the mean of its fine bins' centres, weighted by their cases.
function drawnBins(m, rows) {
  const out = [];
  for (let b = 0; b < BINS; b++) {
    const from = b * DATA.parts, to = from + DATA.parts, share = shareIn(rows, from, to);
    if (!share.decided) continue;
    let x = 0;
    for (let i = from; i < to; i++) x += ((rows[0][i] + rows[1][i]) * (fineEdge(i) + fineEdge(i + 1))) / 2;
    out.push({ m: String(m), bin: b, from, to, x: x / share.decided, ...share, few: share.decided < FEW });
  }
  return out;
}

// Mean logit difference by layer over the drawn bins that lie inside two fine edges.
function profile(m, index, from, to) {
  const layers = DATA.models[m].layers[index];
  if (!layers) return null;
  let n = 0, mean = null;
  layers.difference.forEach((row, b) => {
    if (!row || b * DATA.parts < from || (b + 1) * DATA.parts > to) return;
    mean = mean || new Array(row.length).fill(0);
    row.forEach((d, i) => (mean[i] += d * layers.n[b]));
    n += layers.n[b];
  });
  return n ? { n, mean: mean.map((d) => d / n) } : null;
}

const MINUS = "\u2212", THIN = "\u202f";

function signed(x, digits = 2) {
  if (x === null || x === undefined || !Number.isFinite(x)) return "\u2013";
  const text = x.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", MINUS);
}

function percent(x, digits = 0) {
  return x === null || x === undefined ? "\u2013" : (100 * x).toFixed(digits) + THIN + "%";
}

function whole(n) {
  return String(n).replace(/\B(?=(\d{3})+$)/g, THIN);
}

function describePoint(point) {
  if (point.estimate === null) return point.status.replaceAll("_", " ");
  const low = point.low === null ? MINUS + "\u221e" : signed(point.low);
  const high = point.high === null ? "\u221e" : signed(point.high);
  return `${signed(point.estimate)} [${low}, ${high}]`;
}

function symbolOf(index) {
  return (DATA.indices[index] === "entropy" ? "\u0394H" : "\u0394U") + "\u1d63\u2091\u2097";
}

function wordsOf(index) {
  return DATA.indices[index].replaceAll("_", " ");
}
