// The predictions of the account: newest first, filtered by state and model.

import { get } from "../api.js";
import { h, put, shower } from "../dom.js";
import { button, empty, failure, heading, waiting } from "../parts.js";
import { poll } from "../poll.js";
import { go, href } from "../router.js";
import { predictionTable } from "../tables.js";
import { doing } from "../dialogs.js";

const STATES = ["starting", "processing", "succeeded", "failed", "canceled"];

export function predictions({ query, signal, fail }) {
  const chosen = { status: query.get("status") ?? "", model: query.get("model") ?? "" };
  const list = h("div", { class: "list-place" }, waiting(8));
  const foot = h("div", { class: "foot" });
  const show = shower(list, (found) => (found.length ? predictionTable("Predictions", found) : none(chosen)));
  const pages = { newest: [], older: [], next: null, turned: false };

  function draw() {
    const known = new Set(pages.newest.map((one) => one.id));
    show([...pages.newest, ...pages.older.filter((one) => !known.has(one.id))]);
    put(foot, pages.next && button("Show older ones", { "data-key": "older", onclick: doing(older) }));
  }
  async function older() {
    const found = await page(chosen, new URL(pages.next).searchParams.get("cursor"), signal);
    pages.older.push(...(pages.turned ? [] : pages.newest), ...found.results);
    pages.turned = true;
    pages.next = found.next;
    draw();
  }
  poll(
    async () => {
      const found = await page(chosen, "", signal);
      pages.newest = found.results;
      if (!pages.turned) pages.next = found.next;
      draw();
    },
    { seconds: 3, signal, fail: (error) => fail(error) || pages.newest.length || put(list, failure(error)) },
  );
  return [heading("Predictions", { actions: [modelFilter(chosen, signal)] }), stateFilter(chosen), list, foot];
}

function page(chosen, cursor, signal) {
  const given = Object.entries({ ...chosen, cursor }).filter(([, value]) => value);
  return get(`v1/predictions?${new URLSearchParams(given)}`, { signal });
}

function stateFilter(chosen) {
  const links = ["", ...STATES].map((status) =>
    h(
      "a",
      {
        href: href("/predictions", { ...chosen, status }),
        class: "segment",
        "aria-current": status === chosen.status ? "true" : null,
      },
      status || "all",
    ),
  );
  return h("nav", { class: "segments", "aria-label": "Filter by status" }, links);
}

function modelFilter(chosen, signal) {
  const select = h(
    "select",
    { "aria-label": "Filter by model", onchange: () => go("/predictions", { ...chosen, model: select.value }) },
    h("option", { value: "" }, "All models"),
  );
  if (chosen.model) select.append(h("option", { value: chosen.model, selected: true }, chosen.model));
  get("v1/models", { signal }).then(
    ({ results }) => {
      const names = results.map((model) => `${model.owner}/${model.name}`).filter((name) => name !== chosen.model);
      select.append(...names.map((name) => h("option", { value: name }, name)));
    },
    () => {}, // the list says what is wrong
  );
  return select;
}

function none({ status, model }) {
  if (!status && !model)
    return empty(
      "No predictions yet",
      "Choose a model and run it, or send a request to the API.",
      h("a", { class: "button", href: href("/models") }, "Models"),
    );
  return empty(
    "None like that",
    `No prediction${model ? ` of ${model}` : ""}${status ? ` is ${status}` : ""}.`,
    h("a", { class: "button", href: href("/predictions") }, "Show all"),
  );
}
