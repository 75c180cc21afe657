// One prediction: what it was asked, what came of it, and how that went.

import { call, get, modelPath, post, predictionPath, remove } from "../api.js";
import { confirm, doing, tell } from "../dialogs.js";
import { h, put } from "../dom.js";
import { counted, duration, moment } from "../format.js";
import { Output } from "../output.js";
import { button, card, copyButton, failure, heading, row, table, waiting, mark } from "../parts.js";
import { poll } from "../poll.js";
import { go, href } from "../router.js";
import { isJoined, schemas } from "../schema.js";
import { follow } from "../stream.js";
import { modelHref } from "../tables.js";
import { Timeline } from "../timeline.js";
import { shown } from "../values.js";

const RUNS = [["Run"], ["Worker", "grow"], ["Took", "end"], ["Outcome"]];
const REFRESH = 3;
const ENDED = ["succeeded", "failed", "canceled"];

export function prediction({ names, signal, fail }) {
  const place = h("div", { class: "flow" }, heading(names.id), waiting(8));
  open(place, names.id, { signal, fail }).catch((error) => {
    if (!signal.aborted && !fail(error)) put(place, heading("Prediction", { above: back() }), failure(error));
  });
  return place;
}

async function open(place, id, { signal }) {
  const found = await get(predictionPath(id), { signal });
  const joined = await get(modelPath(found.model), { signal }).then(
    (model) => isJoined(schemas(model).output),
    () => false,
  );
  const page = new Page(found, new Output({ joined }), signal);
  put(place, page.element);
  await page.follow();
}

class Page {
  constructor(found, output, signal) {
    this.found = found;
    this.output = output;
    this.signal = signal;
    this.timeline = new Timeline();
    this.head = h("div", {});
    this.facts = h("div", {});
    this.steps = h("div", {});
    this.runs = h("div", {});
    this.element = h(
      "div",
      { class: "flow" },
      this.head,
      this.facts,
      h(
        "div",
        { class: "columns" },
        h(
          "div",
          { class: "column" },
          card("Output", {}, output.element),
          card(
            "Input",
            { aside: !found.data_removed && copyButton(JSON.stringify(found.input, null, 2)) },
            inputOf(found),
          ),
        ),
        h("div", { class: "column narrow" }, card("Timeline", {}, this.steps), this.runs),
      ),
    );
    this.#draw();
  }

  /** Show its log as it grows, and at the end the whole of it. */
  async follow() {
    const { id } = this.found;
    this.#refresh();
    try {
      for await (const { event } of follow(id, this.signal)) this.#take(event);
    } catch (error) {
      if (error.code !== "data_removed") throw error;
      this.timeline = Timeline.of(this.found);
    }
    if (this.signal.aborted) return;
    this.found = await get(predictionPath(id), { signal: this.signal });
    this.output.finish(this.found);
    if (!this.timeline.steps.length) this.timeline = Timeline.of(this.found);
    this.#draw();
  }

  /** What is not in the log: where it stands in the queue, and when it will have ended. */
  #refresh() {
    const ask = async () => {
      if (ENDED.includes(this.found.status)) return;
      const now = await get(predictionPath(this.found.id), { signal: this.signal });
      if (!ENDED.includes(this.found.status)) put(this.facts, factsOf(now));
    };
    poll(ask, { seconds: REFRESH, signal: this.signal, fail: () => {} }); // the stream says what is wrong
  }

  #take(event) {
    this.timeline.take(event);
    this.output.take(event);
    const status = { started: "processing", reset: "starting", queued: "starting" }[event.type];
    if (status && !ENDED.includes(this.found.status))
      this.found = { ...this.found, status, attempt: event.attempt ?? this.found.attempt };
    if (!["logs", "progress"].includes(event.type)) this.#draw();
  }

  #draw() {
    const title = h("span", { class: "mono id" }, this.found.id);
    put(
      this.head,
      heading(title, {
        above: h("div", { class: "above" }, back(), mark(this.found.status)),
        actions: actions(this.found, this.signal),
      }),
    );
    put(this.facts, factsOf(this.found));
    put(this.steps, this.timeline.list());
    const { runs } = this.timeline;
    put(
      this.runs,
      runs.length > 0 &&
        card(
          runs.length === 1 ? "Attempt" : "Attempts",
          { flush: true, note: counted(runs.length, "run") },
          table("Attempts", RUNS, runs.map(runRow)),
        ),
    );
  }
}

const back = () => h("a", { href: href("/predictions"), class: "back" }, "Predictions");

function actions(found, signal) {
  const path = predictionPath(found.id);
  const cancel = async () => {
    const answer = await post(`${path}/cancel`, undefined, { signal });
    tell(answer.status === "canceled" ? "It is canceled." : "Its worker is told to stop it.");
  };
  const retry = async () => {
    const again = await post(`${path}/retry`, undefined, { signal });
    tell("It runs again, as a new prediction.");
    go(`/predictions/${again.id}`);
  };
  const erase = async () => {
    if (
      !(await confirm("Delete this prediction?", "Its input, output and logs are gone at once and for good.", "Delete"))
    )
      return;
    await remove(path, { signal });
    tell("It is deleted.");
    go("/predictions");
  };
  if (!ENDED.includes(found.status))
    return [button("Cancel", { symbol: "stop", "data-key": "cancel", onclick: doing(cancel) })];
  return [
    !found.data_removed && button("Retry", { symbol: "retry", "data-key": "retry", onclick: doing(retry) }),
    button("Delete", { kind: "quiet", symbol: "trash", "data-key": "delete", onclick: doing(erase) }),
  ].filter(Boolean);
}

function factsOf(found) {
  const waited = found.started_at && (new Date(found.started_at) - new Date(found.created_at)) / 1000;
  const facts = [
    ["Model", h("a", { href: modelHref(found.model) }, found.model)],
    ["Created", moment(found.created_at)],
    [found.attempt > 1 ? "Until its last run" : "Waited", waited ? duration(waited) : null],
    ["Run", found.metrics?.predict_time !== undefined ? duration(found.metrics.predict_time) : null],
    ["Total", found.metrics ? duration(found.metrics.total_time) : null],
    ["Attempts", found.attempt > 1 ? String(found.attempt) : null],
    ["Priority", found.priority === "normal" ? null : found.priority],
    ["Stopped", found.stopped],
    ["In the queue", found.status === "starting" && queued(found.queue)],
    ["Will have ended", found.queue?.eta_seconds ? `in about ${duration(found.queue.eta_seconds)}` : null],
    ["Webhook", found.webhook],
    ["Version", h("span", { class: "mono" }, found.version.slice(0, 12))],
  ];
  const shownFacts = facts.filter(([, value]) => value);
  return h(
    "dl",
    { class: "facts" },
    shownFacts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
  );
}

function queued(queue) {
  if (!queue) return null;
  return queue.is_possible ? `${counted(queue.position, "prediction")} before it` : queue.reason;
}

function inputOf(found) {
  if (found.data_removed) return h("p", { class: "hint" }, "Its data is no longer kept.");
  const given = Object.entries(found.input);
  if (!given.length) return h("p", { class: "hint" }, "It was given nothing.");
  return h(
    "dl",
    { class: "given" },
    given.map(([name, value]) =>
      h(
        "div",
        { class: isBrief(value) ? "brief" : "" },
        h("dt", {}, name),
        h("dd", {}, isBrief(value) ? String(value) : inputValue(value)),
      ),
    ),
  );
}

/** Whether it fits beside its name. */
function isBrief(value) {
  return typeof value === "string"
    ? value.length <= 60 && !value.includes("\n")
    : typeof value !== "object" || value === null;
}

/** A file that was put here is shown by what is known of it. */
function inputValue(value) {
  const id = typeof value === "string" && /\/v1\/files\/([^/?#]+)$/.exec(value)?.[1];
  if (!id) return shown(value);
  const place = h("div", {}, h("span", { class: "mono" }, value));
  call("GET", `v1/files/${id}`).then(
    (about) => put(place, shown(about.urls.download)),
    () => {},
  ); // it may be gone
  return place;
}

function runRow(run) {
  const outcome = { reset: "came to nothing" }[run.outcome] ?? run.outcome ?? "runs";
  return row(RUNS, [
    String(run.attempt),
    h("span", { class: "mono small-text" }, run.worker),
    run.ended ? duration(run.ended - run.began) : "…",
    h("span", { title: run.reason }, outcome),
  ]);
}
