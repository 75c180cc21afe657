// One model: a form to try it out, its schema, and how a program asks for it.

import { address, get, modelPath } from "../api.js";
import { h, put, shower } from "../dom.js";
import { ago } from "../format.js";
import { icon } from "../icons.js";
import { card, code, empty, failure, heading, tabs, waiting } from "../parts.js";
import { poll } from "../poll.js";
import { rateCharts } from "../rates.js";
import { href } from "../router.js";
import { bounds, inputs, kind, schemas } from "../schema.js";
import { predictionTable, workersOf } from "../tables.js";
import { json } from "../values.js";
import { Playground } from "../playground.js";

const LATEST = 6;

export function model({ names, signal, fail }) {
  const name = `${names.owner}/${names.name}`;
  const place = h("div", { class: "flow" }, heading(name), waiting(8));
  get(modelPath(name), { signal }).then(
    (found) => put(place, page(found, name, { signal, fail })),
    (error) => signal.aborted || fail(error) || put(place, heading(name), failure(error)),
  );
  return place;
}

function page(found, name, { signal, fail }) {
  const given = schemas(found);
  const state = h("div", { class: "slot" });
  const latest = h("div", {}, waiting(3));
  const showLatest = shower(latest, (predictions) => latestOf(name, predictions));
  const showProblem = shower(state, problemOf);
  const presence = h("span", {}, workersOf(found));
  const again = poll(
    async () =>
      showLatest((await get(`v1/predictions?model=${encodeURIComponent(name)}`, { signal })).results.slice(0, LATEST)),
    { seconds: 4, signal, fail },
  );
  poll(
    async () => {
      const now = await get(modelPath(name), { signal });
      showProblem(now.problem);
      put(presence, workersOf(now));
    },
    { seconds: 5, signal, fail },
  );
  const playground = new Playground({ name, given, signal, ran: again });
  return [
    heading(name, {
      about: found.description,
      above: h("a", { href: href("/models"), class: "back" }, "Models"),
      actions: [presence],
    }),
    state,
    tabs("Parts of the model", [
      ["Playground", [playground.element, card("Latest predictions", { flush: true }, latest)]],
      ["Rates", ratesPanel(name, { signal, fail })],
      ["Schema", schemaPanel(found, given)],
      ["API", apiPanel(name, given)],
    ]),
  ];
}

function problemOf(problem) {
  if (!problem) return null;
  const text = h("div", {}, h("strong", {}, "A worker cannot run it now"), h("p", {}, problem));
  return h("div", { class: "failure" }, icon("alert"), text);
}

function latestOf(name, predictions) {
  if (!predictions.length) return empty("It has not been run yet", "What you run stands here.");
  return predictionTable(`Latest predictions of ${name}`, predictions, { withModel: false });
}

function ratesPanel(name, { signal, fail }) {
  const charts = rateCharts();
  const place = h("div", { class: "flow" }, charts.element);
  poll(
    async () => {
      if (place.offsetParent === null) return; // another tab is looked at
      charts.update((await get(`admin/v1/overview?model=${encodeURIComponent(name)}`, { signal })).history);
      if (!charts.element.isConnected) put(place, charts.element); // behind a failure
    },
    { seconds: 2, signal, fail: (error) => fail(error) || put(place, failure(error)) },
  );
  return place;
}

function schemaPanel(found, given) {
  const rows = inputs(given).map((one) => schemaRow(one, given.resolve));
  const output = schemaRow({ name: "", schema: given.output, required: false }, given.resolve);
  const { id, created_at, openapi_schema } = found.latest_version;
  const note = `version ${id.slice(0, 12)}, announced ${ago(created_at)}`;
  return [
    card("Input", {}, rows.length ? h("dl", { class: "schema" }, rows) : empty("It takes no input", "")),
    card("Output", {}, h("dl", { class: "schema" }, output)),
    card("As JSON Schema", { note }, json(openapi_schema.components.schemas)),
  ];
}

function schemaRow({ name, schema, required }, resolve) {
  const initial = schema.default !== undefined && `default ${JSON.stringify(schema.default)}`;
  const more = [bounds(schema), schema.enum?.join(", "), initial].filter(Boolean).join(" · ");
  const called = h(
    "dt",
    {},
    name && h("code", {}, name),
    h("span", { class: "kind" }, kind(schema, resolve)),
    required && h("span", { class: "required" }, "required"),
  );
  return h("div", { class: "schema-row" }, called, h("dd", {}, schema.description, h("span", { class: "hint" }, more)));
}

function apiPanel(name, given) {
  const input = JSON.stringify({ input: example(given) }, null, 2);
  const url = address(`${modelPath(name)}/predictions`).href;
  const python = `from leveret.client import Client

with Client("${address("").href.replace(/\/$/, "")}") as client:
    print(client.run("${name}", ${JSON.stringify(example(given)).replaceAll("true", "True").replaceAll("false", "False").replaceAll("null", "None")}))`;
  return [
    card(
      "With curl",
      { note: "answers as soon as it has ended" },
      code(
        `curl -s ${url} \\\n  -H 'Authorization: Bearer lv_…' \\\n  -H 'Content-Type: application/json' \\\n  -H 'Prefer: wait' \\\n  -d '${input}'`,
      ),
    ),
    card("In Python", {}, code(python)),
    card(
      "Every endpoint",
      {},
      h(
        "p",
        { class: "text" },
        "The ",
        h("a", { href: address("docs").href }, "API reference"),
        " describes streams, webhooks, files and the rest.",
      ),
    ),
  ];
}

/** An input that shows what there is to fill in. */
function example(given) {
  const values = { file: "https://example.com/file", text: "…", "whole number": 1, number: 0.5, "yes or no": true };
  const shown = inputs(given).filter((one) => one.required);
  return Object.fromEntries(
    shown.map(({ name, schema }) => [
      name,
      schema.default ?? schema.enum?.[0] ?? values[kind(schema, given.resolve)] ?? (schema.type === "array" ? [] : {}),
    ]),
  );
}
