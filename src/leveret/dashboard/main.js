// The dashboard: its frame, the key, and the page that the address names.

import { address, get, key, setKey } from "./api.js";
import { h, put } from "./dom.js";
import { icon, hare } from "./icons.js";
import { empty, failure, renew } from "./parts.js";
import { here, href, route } from "./router.js";
import { signIn } from "./sign_in.js";
import { themeSwitch } from "./theme.js";
import { letter } from "./views/letter.js";
import { letters } from "./views/letters.js";
import { model } from "./views/model.js";
import { models } from "./views/models.js";
import { overview } from "./views/overview.js";
import { prediction } from "./views/prediction.js";
import { predictions } from "./views/predictions.js";
import { workers } from "./views/workers.js";

const PAGES = [
  ["/", overview],
  ["/models", models],
  ["/models/:owner/:name", model],
  ["/predictions", predictions],
  ["/predictions/:id", prediction],
  ["/workers", workers],
  ["/dead", letters],
  ["/dead/:id", letter],
];
const PLACES = [
  ["/", "Overview", "overview"],
  ["/models", "Models", "models"],
  ["/predictions", "Predictions", "predictions"],
  ["/workers", "Workers", "workers"],
  ["/dead", "Dead letters", "dead"],
];

const app = document.getElementById("app");
const main = h("main", { id: "main", tabindex: -1 });
const links = PLACES.map(([path, name, symbol]) =>
  h("a", { href: href(path), class: "place" }, icon(symbol), h("span", {}, name)),
);
let leaving = new AbortController();
let shownPath = null;
let routed = false;

/** Find out whose page this is, and show it. */
async function begin() {
  try {
    frame((await get("v1/account")).username);
  } catch (error) {
    if (error.status === 401) return put(app, signIn(error, begin));
    put(
      app,
      h("main", { class: "alone" }, failure(error), h("button", { class: "button", onclick: begin }, "Try again")),
    );
    return;
  }
  if (!routed) route(PAGES, show);
  else show(...current);
  routed = true;
}

let current = [null, {}, new URLSearchParams()];

function show(page, names, query) {
  current = [page, names, query];
  leaving.abort();
  leaving = new AbortController();
  mark();
  const context = { names, query, signal: leaving.signal, fail: (error) => fail(error) };
  put(main, page === null ? missing() : page(context));
  const title = main.querySelector("h1");
  document.title = `${title?.textContent ?? "Leveret"} · Leveret`;
  const { path } = here();
  if (shownPath !== null && shownPath !== path) {
    title?.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
  shownPath = path;
}

function missing() {
  return empty("There is no such page", "", h("a", { href: href("/"), class: "button" }, "Overview"));
}

function mark() {
  const { path } = here();
  PLACES.forEach(([place], index) => {
    const inside = place === "/" ? path === "/" : path === place || path.startsWith(`${place}/`);
    if (inside) {
      links[index].setAttribute("aria-current", "page");
      links[index].parentElement.scrollLeft = links[index].offsetLeft - 40; // on a small screen they lie side by side
    } else links[index].removeAttribute("aria-current");
  });
}

/** A key that was revoked meanwhile has to be pasted anew. */
function fail(error) {
  if (error.status !== 401) return false;
  leaving.abort();
  put(app, signIn(error, begin));
  return true;
}

function leave() {
  setKey("");
  leaving.abort();
  setInterval(() => document.querySelectorAll("time[datetime]").forEach(renew), 10_000);
  begin();
}

function frame(account) {
  const whose = key()
    ? [
        h("span", { class: "whose", title: "the account of the key" }, icon("key"), account),
        h(
          "button",
          { type: "button", class: "button quiet small", onclick: leave },
          icon("leave"),
          h("span", {}, "Forget key"),
        ),
      ]
    : [h("span", { class: "whose" }, h("i", { class: "open-dot" }), "open, no key needed")];
  const skip = h(
    "a",
    { href: "#main", class: "skip", onclick: (event) => (event.preventDefault(), main.focus()) },
    "Skip to the page",
  );
  const side = h(
    "header",
    { class: "side" },
    h("a", { href: href("/"), class: "brand" }, hare(), h("span", {}, "Leveret")),
    h(
      "nav",
      { "aria-label": "Pages" },
      links,
      h("a", { href: address("docs").href, class: "place outside" }, icon("reference"), h("span", {}, "API reference")),
    ),
    h("div", { class: "side-foot" }, h("div", { class: "account" }, whose), themeSwitch()),
  );
  put(app, skip, side, main);
}

setInterval(() => document.querySelectorAll("time[datetime]").forEach(renew), 10_000);
begin();
