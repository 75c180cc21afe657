// The playground: runs a model with what stands in its form, and shows what comes.

import { get, modelPath, post, predictionPath } from "./api.js";
import { h, put } from "./dom.js";
import { Form } from "./form.js";
import { counted, duration } from "./format.js";
import { Output } from "./output.js";
import { button, card, empty, failure, mark } from "./parts.js";
import { follow } from "./stream.js";
import { predictionHref } from "./tables.js";
import { isJoined } from "./schema.js";

export class Playground {
  /** `ran` is called when a prediction has been created or has ended. */
  constructor({ name, given, signal, ran }) {
    this.name = name;
    this.given = given;
    this.signal = signal;
    this.ran = ran;
    this.form = new Form(given, () => this.run());
    this.runButton = button("Run", { kind: "primary", symbol: "play", type: "submit" });
    this.cancelButton = button("Cancel", { symbol: "stop", hidden: true, onclick: () => this.cancel() });
    this.form.element.append(
      h(
        "div",
        { class: "form-foot" },
        this.runButton,
        this.cancelButton,
        h("kbd", { title: "runs it from any field" }, "Ctrl ↵"),
      ),
    );
    this.status = h("div", { class: "run-status" });
    this.result = h(
      "div",
      { class: "result" },
      empty("Nothing has run yet", "Fill in the form and run the model. The output appears here as it is made."),
    );
    this.element = h(
      "div",
      { class: "playground" },
      card("Input", {}, this.form.element),
      card("Output", { aside: this.status, flush: true }, this.result),
    );
    this.running = null;
  }

  async run() {
    if (this.running) return;
    this.#busy(true);
    try {
      const input = await this.form.read();
      if (input !== null)
        await this.#watch(await post(`${modelPath(this.name)}/predictions`, { input }, { signal: this.signal }));
    } catch (error) {
      if (this.signal.aborted) return;
      if (error.code === "invalid_input") this.form.complain(error.errors);
      else put(this.result, failure(error));
    } finally {
      this.#busy(false);
    }
  }

  async cancel() {
    this.cancelButton.disabled = true;
    await post(`${predictionPath(this.running)}/cancel`, undefined, { signal: this.signal }).catch((error) =>
      put(this.status, error.message),
    );
  }

  async #watch(created) {
    this.running = created.id;
    this.cancelButton.hidden = false;
    this.cancelButton.disabled = false;
    this.ran();
    const output = new Output({ joined: isJoined(this.given.output) });
    put(this.result, output.element);
    this.#say(created);
    for await (const { event } of follow(created.id, this.signal)) {
      output.take(event);
      if (event.type === "started") this.#say({ ...created, status: "processing", queue: undefined });
      if (event.type === "reset") this.#say({ ...created, status: "starting", queue: undefined });
    }
    const ended = await get(predictionPath(created.id), { signal: this.signal });
    output.finish(ended);
    this.#say(ended);
    this.ran();
  }

  #say(prediction) {
    const { queue, metrics } = prediction;
    const about = metrics
      ? duration(metrics.predict_time ?? metrics.total_time)
      : queue &&
        (queue.is_possible ? queue.position > 0 && `${counted(queue.position, "prediction")} before it` : queue.reason);
    put(
      this.status,
      about && h("span", { class: "hint" }, about),
      mark(prediction.status),
      h("a", { href: predictionHref(prediction.id), class: "more" }, "Details"),
    );
  }

  #busy(is) {
    this.runButton.disabled = is;
    this.form.element.setAttribute("aria-busy", String(is));
    if (!is) {
      this.running = null;
      this.cancelButton.hidden = true;
    }
  }
}
