// The timeline: what happened to a prediction, run by run, from its log.

import { h } from "./dom.js";
import { clock, duration } from "./format.js";

const ENDINGS = ["reset", "succeeded", "failed", "canceled"];

/** What the entries say: the steps in their order, and the runs. Output and logs only count. */
export class Timeline {
  constructor() {
    this.steps = [];
    this.runs = [];
  }

  take(event) {
    const run = this.runs.at(-1);
    if (event.type === "queued") this.#step(event, "Accepted");
    else if (event.type === "started") {
      this.runs.push({ attempt: event.attempt, worker: event.worker, began: event.at, pieces: 0 });
      this.#step(event, `Run ${event.attempt} began`, `on ${event.worker}`);
    } else if (event.type === "output" && run) {
      if (!run.pieces) this.#step(event, "First output");
      run.pieces += event.chunks.length;
    } else if (ENDINGS.includes(event.type)) {
      if (run && run.ended === undefined)
        Object.assign(run, { ended: event.at, outcome: event.type, reason: event.reason ?? event.error });
      this.#step(event, ...ending(event));
    }
  }

  /** From the record alone, when its log is no longer kept. */
  static of(prediction) {
    const timeline = new Timeline();
    const at = (value) => new Date(value).getTime() / 1000;
    timeline.take({ type: "queued", at: at(prediction.created_at) });
    if (prediction.started_at)
      timeline.take({
        type: "started",
        at: at(prediction.started_at),
        attempt: prediction.attempt,
        worker: "a worker",
      });
    if (prediction.completed_at)
      timeline.take({ type: prediction.status, at: at(prediction.completed_at), error: prediction.error });
    return timeline;
  }

  /** The steps, with the time since the first one. */
  list() {
    const first = this.steps[0]?.at;
    const items = this.steps.map(({ at, kind, title, about }) =>
      h(
        "li",
        { class: `step ${kind}` },
        h("span", { class: "step-title" }, title),
        about && h("span", { class: "step-about" }, about),
        h("time", { title: clock(at * 1000) }, at === first ? clock(at * 1000) : `+${duration(at - first)}`),
      ),
    );
    return h("ol", { class: "steps" }, items);
  }

  #step(event, title, about = "") {
    this.steps.push({ at: event.at, kind: event.type, title, about });
  }
}

function ending(event) {
  if (event.type === "reset")
    return ["Another run follows", `${event.reason}${event.delay ? `, in ${duration(event.delay)}` : ""}`];
  if (event.type === "succeeded") return ["Succeeded", event.reused ? `with the output of ${event.reused}` : ""];
  if (event.type === "failed") return ["Failed", event.dead ? `kept as a dead letter: ${event.dead}` : ""];
  return ["Canceled", event.stopped ?? event.error ?? ""];
}
