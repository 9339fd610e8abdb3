// Single cases: the list, the one that is open, and the hint under the pointer. Text from the data enters as text, never as HTML.

const PAGE_OF_CASES = 12;
const FOLLOWS = ["follows the text", "follows the image", "follows neither"];
const ROW_OF_OUTCOME = [2, 0, 1]; // rows of the chart of single cases, from the bottom: image, neither, text
const CLASS_OF_LABEL = { t: "text", v: "vision", i: "irrelevant" };

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((c) => c !== null && c !== undefined));
  return made;
}

function textOf(number) {
  return number === null ? "\u2013" : DATA.texts[number];
}

function followed(one) {
  const kind = one.kind ? ` (${one.kind.replaceAll("_", " ")})` : "";
  return FOLLOWS[one.outcome] + (one.outcome === 2 ? kind : "");
}

// A steady shift between -0.34 and 0.34, so that points of one row do not hide each other.
function jitter(name) {
  let hash = 2166136261;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 16777619);
  hash ^= hash >>> 15;
  return ((hash >>> 8) % 1000) / 1000 * 0.68 - 0.34;
}

function pictureOf(one, className) {
  if (one.image === null) return element("div", { class: "noimage " + className }, "no picture");
  return element("img", { class: className, src: DATA.pictures[one.image], alt: `Picture of case ${one.id}` });
}

function tiersOf(one) {
  const [v, t] = one.tier;
  return [v === null ? null : `image tier ${v}`, t === null ? null : `text tier ${t}`].filter(Boolean).join(", ");
}

function swatch(m) {
  const made = element("span", { class: "swatch", "aria-hidden": "true" });
  made.style.background = `var(--m${m % COLORS})`;
  return made;
}

// What is said of a case where there is no room for all of it.
function sayCase(m, one, index) {
  return `${MANY ? DATA.models[m].name + ", " : ""}${symbolOf(index)} ${signed(one.delta[index])}: ${followed(one)}, answer ${one.answer}`;
}

const hint = {
  box: element("div", { class: "hint", "aria-hidden": "true", hidden: true }),

  show(x, y, ...content) {
    this.box.replaceChildren(...content);
    this.box.hidden = false;
    const width = this.box.offsetWidth, height = this.box.offsetHeight;
    this.box.style.left = Math.max(6, Math.min(x + 14, innerWidth - width - 6)) + "px";
    this.box.style.top = (y + 16 + height > innerHeight ? Math.max(6, y - height - 12) : y + 16) + "px";
  },

  hide() {
    this.box.hidden = true;
  },

  ofCase(m, one, index) {
    const words = element("div", {},
      element("b", {}, MANY ? swatch(m) : null, MANY ? DATA.models[m].name + " \u00b7 " : null, `${symbolOf(index)} ${signed(one.delta[index])}`),
      element("p", {}, textOf(one.text)),
      element("p", {}, `text alone: ${one.alone[0]} \u00b7 image alone: ${one.alone[1]}`),
      element("p", {}, `both: ${one.answer} \u2014 ${followed(one)}`));
    const last = one.layers ? one.layers.slice(-6).map((l) => DATA.tokens[l[3][0]]).join(" \u203a ") : null;
    if (last !== null) words.append(element("p", { class: "soft" }, `last layers: ${last}`));
    return [pictureOf(one, "thumb"), words];
  },

  ofBin(bin) {
    return [element("div", {}, ...bin.said.split("\n").map((line, i) => element(i ? "p" : "b", {}, line)))];
  },
};

function answerBox(title, answer, below, className) {
  return element("div", { class: className }, element("small", {}, title), element("b", {}, answer ?? "\u2013"), element("small", {}, below));
}

// The open case, whole: picture, words, three answers, the layers' top tokens, and the same case in the other models.
function caseArticle(m, one, index, elsewhere) {
  const [uText, uVision] = one.u[index];
  const className = { 0: "follows-text", 1: "follows-vision" }[one.outcome];
  const article = element("article", { class: "card example" },
    element("h4", { class: "whole", tabindex: "-1" }, MANY ? swatch(m) : null, MANY ? DATA.models[m].name + " \u00b7 " : null,
      `${symbolOf(index)} ${signed(one.delta[index])}, ${followed(one)}`),
    element("div", {}, pictureOf(one, "picture")),
    element("div", {},
      element("p", { class: "said" }, element("small", {}, "text"), textOf(one.text)),
      element("p", { class: "said" }, element("small", {}, "question"), textOf(one.question)),
      element("div", { class: "answers" },
        answerBox("from the text alone", one.alone[0], `${wordsOf(index)} ${signed(uText, 3)}`),
        answerBox("from the image alone", one.alone[1], `${wordsOf(index)} ${signed(uVision, 3)}`),
        answerBox("from both", one.answer, followed(one), className))));
  if (elsewhere.length) {
    article.append(element("div", { class: "whole" }, element("p", { class: "meta" }, "the same case in the other models"),
      element("ul", { class: "elsewhere" }, ...elsewhere.map(([k, other]) => element("li", {}, swatch(k),
        `${DATA.models[k].name}: \u201c${other.answer}\u201d, ${followed(other)}, ${symbolOf(index)} ${signed(other.delta[index])}`)))));
  }
  if (one.layers) {
    const count = one.oscillations === null || one.oscillations === undefined ? "" : ` \u00b7 ${one.oscillations} oscillation${one.oscillations === 1 ? "" : "s"}`;
    const chips = one.layers.map(([label, difference, entropy, tokens], i) => element("li", { class: `chip ${CLASS_OF_LABEL[label]}`,
      title: `layer ${i + 1}: text \u2212 image ${signed(difference, 1)}, entropy ${signed(entropy)} nats` },
      element("small", {}, String(i + 1)), element("b", {}, DATA.tokens[tokens[0]]), element("small", {}, tokens.slice(1).map((t) => DATA.tokens[t]).join(", "))));
    article.append(element("div", { class: "whole" }, element("p", { class: "meta" }, `top tokens, layer by layer${count}`), element("ol", { class: "chips" }, ...chips)));
  }
  article.append(element("p", { class: "whole meta" }, [tiersOf(one), one.id].filter(Boolean).join(" \u00b7 ")));
  return article;
}

function caseButton(m, one, index, open, onOpen) {
  return element("li", {}, element("button", { type: "button", class: "tilecase", "aria-pressed": String(open), onclick: onOpen },
    pictureOf(one, "thumb"),
    element("span", {}, MANY ? swatch(m) : null, `${symbolOf(index)} ${signed(one.delta[index])}`),
    element("span", { class: ["text", "vision", "other"][one.outcome] }, `\u201c${one.answer}\u201d \u2014 ${followed(one)}`)));
}
