// Parts: what several pages are made of.

import { h, uniqueId } from "./dom.js";
import { ago, moment } from "./format.js";
import { icon } from "./icons.js";

/** The heading of a page, with what can be done there. */
export function heading(title, { about, actions = [], above } = {}) {
  return h(
    "header",
    { class: "heading" },
    h(
      "div",
      { class: "heading-text" },
      above,
      h("h1", { id: "title", tabindex: -1 }, title),
      about && h("p", { class: "about" }, about),
    ),
    actions.length > 0 && h("div", { class: "actions" }, actions),
  );
}

/** A button; `kind` is primary, quiet, danger or nothing. */
export function button(label, { kind = "", symbol, ...properties } = {}) {
  return h(
    "button",
    { type: "button", class: `button ${kind}`, ...properties },
    symbol && icon(symbol),
    h("span", {}, label),
  );
}

/** A button that is an icon; `label` says what it does. */
export function iconButton(symbol, label, onclick) {
  return h("button", { type: "button", class: "button quiet small", "aria-label": label, onclick }, icon(symbol));
}

/** A link to where there is more. */
export function more(path, text) {
  return h("a", { href: path, class: "more" }, text);
}

/** The mark of how something stands. */
export function mark(state, text = state) {
  return h("span", { class: `badge badge-${state}` }, h("i", { "aria-hidden": "true" }), text);
}

/** A box with a title; what is `flush` reaches its edges. */
export function card(title, { aside, note, flush = false } = {}, ...children) {
  const id = uniqueId();
  return h(
    "section",
    { class: "card", "aria-labelledby": id },
    h("div", { class: "card-head" }, h("h2", { id }, title), note && h("span", { class: "note" }, note), aside),
    h("div", { class: flush ? "card-flush" : "card-body" }, children),
  );
}

/** A moment as how long ago it was. */
export function when(at) {
  return h("time", { datetime: at, title: moment(at) }, ago(at));
}

/** Say anew how long ago that was. */
export function renew(time) {
  time.textContent = ago(time.dateTime);
}

/** What is shown where there is nothing yet. */
export function empty(title, text, ...children) {
  return h("div", { class: "empty" }, h("p", { class: "empty-title" }, title), text && h("p", {}, text), children);
}

/** What has gone wrong, and what to do next. */
export function failure(error) {
  const scope = error.code === "scope_missing";
  const title = scope ? `This needs a key with the scope ${error.scope}` : "That did not work";
  return h(
    "div",
    { class: scope ? "failure calm" : "failure", role: "alert" },
    icon(scope ? "key" : "alert"),
    h("div", {}, h("strong", {}, title), h("p", {}, error.message)),
  );
}

/** Grey where something is about to come. */
export function waiting(lines = 4) {
  const bars = Array.from({ length: lines }, () => h("div", { class: "bone" }));
  return h("div", { class: "bones", role: "status", "aria-label": "Loading" }, bars);
}

/** A command or a program, which can be copied. */
export function code(text) {
  return h("div", { class: "code" }, h("pre", { tabindex: 0 }, text), copyButton(text));
}

/** A button that copies a text. */
export function copyButton(text, label = "Copy") {
  const copy = button(label, { kind: "quiet small", symbol: "copy" });
  copy.addEventListener("click", async () => {
    await navigator.clipboard?.writeText(text);
    copy.lastChild.textContent = "Copied";
    setTimeout(() => (copy.lastChild.textContent = label), 1500);
  });
  return copy;
}

/** How much of something is taken, as a bar. */
export function gauge(value, most, label) {
  const share = most > 0 ? Math.min(1, value / most) : 0;
  const bar = h("i", {});
  bar.style.width = `${share * 100}%`;
  return h("span", { class: "gauge", role: "img", "aria-label": label }, bar);
}

/** A table whose first cell of each row leads on; `columns` are `[title, class]`. */
export function table(label, columns, rows) {
  const head = columns.map(([title, kind = ""]) =>
    h("th", { scope: "col", class: kind }, title?.cloneNode?.(true) ?? title),
  );
  return h(
    "div",
    { class: "table-frame" },
    h("table", { "aria-label": label }, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows)),
  );
}

/** One row of it, whose cells have the classes of their columns. */
export function row(columns, cells) {
  return h(
    "tr",
    {},
    cells.map((cell, index) => h("td", { class: columns[index][1] ?? "" }, cell)),
  );
}

/** Tabs that are walked with the arrow keys; `tabs` are `[name, panel]`. */
export function tabs(label, given) {
  const panels = given.map(([, panel]) => h("div", { role: "tabpanel", id: uniqueId(), class: "panel" }, panel));
  const heads = given.map(([name], index) =>
    h("button", { type: "button", role: "tab", id: uniqueId(), class: "tab", "aria-controls": panels[index].id }, name),
  );
  function choose(chosen, focus = false) {
    heads.forEach((head, index) => {
      head.setAttribute("aria-selected", String(index === chosen));
      head.tabIndex = index === chosen ? 0 : -1;
      panels[index].hidden = index !== chosen;
      panels[index].setAttribute("aria-labelledby", head.id);
    });
    if (focus) heads[chosen].focus();
  }
  heads.forEach((head, index) => {
    head.addEventListener("click", () => choose(index));
    head.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) choose((index + step + heads.length) % heads.length, true);
    });
  });
  choose(0);
  return h(
    "div",
    { class: "tabs" },
    h("div", { role: "tablist", "aria-label": label, class: "tablist" }, heads),
    panels,
  );
}
