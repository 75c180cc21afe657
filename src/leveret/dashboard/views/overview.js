// The overview: how much there is to do, how fast it is done, and what came last.

import { get } from "../api.js";
import { h, put, shower } from "../dom.js";
import { duration, number, quantile } from "../format.js";
import { icon } from "../icons.js";
import { card, empty, failure, gauge, heading, more, row, table, waiting } from "../parts.js";
import { poll } from "../poll.js";
import { rateCharts } from "../rates.js";
import { href } from "../router.js";
import { modelHref, noModels, predictionTable, workersOf } from "../tables.js";

const COLUMNS = [
  ["Model", "grow"],
  ["Waiting", "end"],
  ["Running", "end"],
  ["Per second", "end"],
  ["Mean run", "end wide-only"],
  ["Workers", "end wide-only"],
];
const LATEST = 8;

export function overview(context) {
  const page = new Overview(context);
  page.start();
  return page.elements;
}

class Overview {
  constructor({ signal, fail }) {
    this.signal = signal;
    this.fail = fail;
    this.loads = null;
    this.predictions = [];
    this.live = h("span", { class: "live" }, h("i", {}), "live");
    this.notice = h("div", { class: "slot" });
    const titles = ["Finished", "Waiting", "Running", "Latency"];
    this.tiles = h(
      "div",
      { class: "tiles" },
      titles.map((title) => tile(title, "–", " ")),
    );
    this.charts = rateCharts();
    const [loads, latest] = [h("div", {}, waiting()), h("div", {}, waiting())];
    this.latest = latest;
    this.showLoads = shower(loads, loadTable);
    this.showLatest = shower(latest, latestTable);
    this.elements = [
      heading("Overview", { actions: [this.live] }),
      this.notice,
      this.tiles,
      this.charts.element,
      card("Models", { flush: true, aside: more(href("/models"), "All models") }, loads),
      card("Latest predictions", { flush: true, aside: more(href("/predictions"), "All predictions") }, latest),
    ];
  }

  start() {
    const { signal } = this;
    poll(() => this.#askLoads(), { seconds: 2, signal, fail: (error) => this.#refused(error) });
    poll(() => this.#askLatest(), { seconds: 4, signal, fail: (error) => this.#missed(error) });
  }

  async #askLoads() {
    const found = await get("admin/v1/overview", { signal: this.signal });
    this.loads = found.models;
    this.live.classList.remove("off");
    put(this.notice);
    this.charts.update(found.history);
    put(this.tiles, tilesOf(found.models, this.predictions));
    this.showLoads(found.models);
  }

  async #askLatest() {
    this.predictions = (await get("v1/predictions", { signal: this.signal })).results;
    if (this.loads) put(this.tiles, tilesOf(this.loads, this.predictions));
    this.showLatest(this.predictions.slice(0, LATEST));
  }

  #refused(error) {
    if (this.fail(error)) return;
    this.live.classList.add("off");
    if (error.code === "scope_missing") {
      this.tiles.hidden = this.charts.element.hidden = this.live.hidden = true;
      get("v1/models", { signal: this.signal }).then(({ results }) => this.showLoads({ names: results }), this.fail);
    }
    put(this.notice, failure(error));
  }

  #missed(error) {
    if (!this.fail(error) && !this.predictions.length) put(this.latest, failure(error));
  }
}

function tilesOf(models, predictions) {
  const waits = sum(models.map((one) => sum(one.lanes)));
  const [running, slots] = [sum(models.map((one) => one.running)), sum(models.map((one) => one.slots))];
  const [came, ended] = [sum(models.map((one) => one.submitted)), sum(models.map((one) => one.ended))];
  const times = predictions
    .filter((one) => one.status === "succeeded" && one.metrics)
    .map((one) => one.metrics.total_time);
  const failed = predictions.filter((one) => one.status === "failed").length;
  return [
    tile("Finished", [number(ended), h("small", {}, "/s")], `${number(came)}/s submitted`),
    tile(
      "Waiting",
      number(waits),
      waits === 0
        ? "nothing waits"
        : ended > 0
          ? `about ${duration(waits / ended)} of work`
          : "nothing has finished lately",
    ),
    tile(
      "Running",
      [number(running), h("small", {}, ` of ${number(slots)}`)],
      gauge(running, slots, `${running} of ${slots} slots are busy`),
    ),
    tile(
      "Latency",
      duration(quantile(times, 0.5)),
      times.length
        ? [
            `95 % within ${duration(quantile(times, 0.95))}`,
            failed > 0 &&
              h("a", { href: href("/predictions", { status: "failed" }), class: "bad-link" }, `${failed} failed`),
          ]
        : "median of the latest 100",
    ),
  ];
}

function tile(title, value, about) {
  return h(
    "div",
    { class: "tile" },
    h("h2", {}, title),
    h("p", { class: "figure-value" }, value),
    h("p", { class: "tile-about" }, about),
  );
}

/** The models with their loads, or for keys that may not see these with their `names` alone. */
function loadTable(models) {
  if (models.names) return models.names.length ? nameTable(models.names) : noModels();
  if (!models.length) return noModels();
  return table(
    "Models",
    COLUMNS,
    models.map((one) => row(COLUMNS, loadCells(one))),
  );
}

function nameTable(models) {
  const columns = [
    ["Model", "grow"],
    ["Workers", "end"],
  ];
  const cells = (one) => [
    h(
      "a",
      { href: modelHref(`${one.owner}/${one.name}`), class: "row-link" },
      h("span", { class: "strong" }, `${one.owner}/${one.name}`),
      h("span", { class: "gist" }, one.description),
    ),
    workersOf(one),
  ];
  return table(
    "Models",
    columns,
    models.map((one) => row(columns, cells(one))),
  );
}

function loadCells(one) {
  const waits = sum(one.lanes);
  return [
    h(
      "a",
      { href: modelHref(one.model), class: "row-link" },
      h("span", { class: "strong" }, one.model),
      one.problem && h("span", { class: "gist bad" }, icon("alert"), one.problem),
    ),
    h("span", { title: `by lane: ${one.lanes.join(", ")}` }, number(waits)),
    h(
      "span",
      { class: "of" },
      `${number(one.running)} / ${number(one.slots)}`,
      gauge(one.running, one.slots, `${one.running} of ${one.slots} slots are busy`),
    ),
    number(one.ended),
    duration(one.mean_run),
    one.workers ? number(one.workers) : h("span", { class: "bad" }, "none"),
  ];
}

function latestTable(predictions) {
  if (predictions.length) return predictionTable("Latest predictions", predictions);
  return empty(
    "No predictions yet",
    "Choose a model and run it, or send a request to the API.",
    h("a", { class: "button", href: href("/models") }, "Models"),
  );
}

const sum = (values) => values.reduce((total, value) => total + value, 0);
