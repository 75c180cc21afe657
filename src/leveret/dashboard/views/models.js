// The models that are served, with what each takes and gives.

import { get } from "../api.js";
import { h, put, shower } from "../dom.js";
import { empty, failure, heading, waiting } from "../parts.js";
import { poll } from "../poll.js";
import { inputs, kind, schemas } from "../schema.js";
import { modelHref, noModels, workersOf } from "../tables.js";

export function models({ signal, fail }) {
  const list = h("div", { class: "list-place" }, waiting(6));
  const search = h("input", {
    type: "search",
    placeholder: "Search",
    "aria-label": "Search the models",
    class: "search",
    oninput: () => show(found),
  });
  let found = [];
  const draw = shower(list, ([all, words]) => cards(all, words));
  const show = (all) => draw([all, search.value.trim().toLowerCase()]);
  poll(
    async () => {
      found = (await get("v1/models", { signal })).results;
      show(found);
    },
    { seconds: 5, signal, fail: (error) => fail(error) || found.length || put(list, failure(error)) },
  );
  return [heading("Models", { about: "Everything that is served here.", actions: [search] }), list];
}

function cards(all, words) {
  if (!all.length) return noModels();
  const fitting = all.filter((model) =>
    `${model.owner}/${model.name} ${model.description}`.toLowerCase().includes(words),
  );
  if (!fitting.length) return empty("No model is called so", `There are ${all.length} others.`);
  return h(
    "ul",
    { class: "model-cards" },
    fitting.map((model) => h("li", {}, modelCard(model))),
  );
}

function modelCard(model) {
  const given = schemas(model);
  const name = `${model.owner}/${model.name}`;
  const taken = inputs(given);
  return h(
    "a",
    { href: modelHref(name), class: "model-card" },
    h("span", { class: "model-name" }, h("span", { class: "owner" }, `${model.owner}/`), model.name),
    h(
      "span",
      { class: "model-about" },
      model.description ||
        `${taken.map((one) => one.name).join(", ") || "nothing"} → ${kind(given.output, given.resolve)}`,
    ),
    h(
      "span",
      { class: "chips" },
      taken.slice(0, 5).map((one) => h("span", { class: "chip" }, one.name)),
      taken.length > 5 && h("span", { class: "chip" }, `${taken.length - 5} more`),
    ),
    workersOf(model),
  );
}
