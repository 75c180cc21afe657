// Tables: predictions and models as several pages show them.

import { h } from "./dom.js";
import { counted, duration } from "./format.js";
import { code, empty, mark, row, table, when } from "./parts.js";
import { href } from "./router.js";

const COLUMNS = [
  ["Status"],
  ["Prediction", "grow"],
  ["Model", "wide-only"],
  ["Took", "end"],
  ["Run", "end wide-only"],
  ["Created", "end"],
];

/** A table of predictions; `withModel` is whether they may be of several. */
export function predictionTable(label, predictions, { withModel = true } = {}) {
  const columns = withModel ? COLUMNS : COLUMNS.filter(([title]) => title !== "Model");
  const rows = predictions.map((one) =>
    row(
      columns,
      cells(one).filter((_, index) => withModel || index !== 2),
    ),
  );
  return table(label, columns, rows);
}

/** Where a prediction is shown. */
export const predictionHref = (id) => href(`/predictions/${id}`);

/** Where a model is shown. */
export const modelHref = (model) => href(`/models/${model}`);

/** How many workers a model has, and what is wrong. */
export function workersOf(model) {
  const state = model.problem ? "bad" : model.workers ? "good" : "idle";
  const text = model.problem ? "has a problem" : model.workers ? counted(model.workers, "worker") : "no worker";
  return h("span", { class: `presence ${state}`, title: model.problem }, h("i", {}), text);
}

/** What to do where no model is served. */
export function noModels() {
  return empty(
    "No model is served yet",
    "Serve a Python function, and it stands here with a form to try it out.",
    code("leveret serve app.py"),
  );
}

function cells(one) {
  return [
    mark(one.status),
    h(
      "a",
      { href: predictionHref(one.id), class: "row-link" },
      h("span", { class: "mono" }, one.id),
      h("span", { class: "gist" }, gist(one)),
    ),
    one.model,
    duration(one.metrics?.total_time),
    duration(one.metrics?.predict_time),
    when(one.created_at),
  ];
}

/** What it was asked, or why it failed, in a line. */
function gist(one) {
  if (one.error) return one.error;
  if (one.data_removed) return "its data is no longer kept";
  const values = Object.values(one.input).map((value) => (typeof value === "string" ? value : JSON.stringify(value)));
  return values
    .map((value) =>
      value.startsWith("data:")
        ? value.slice(0, value.indexOf(";"))
        : /\/v1\/files\//.test(value)
          ? "file"
          : value.slice(0, 120),
    )
    .join(" · ");
}
