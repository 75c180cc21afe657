// The output of a run while it grows, and the logs and the progress beside it.

import { h, put } from "./dom.js";
import { shown } from "./values.js";

export class Output {
  /** `joined` is whether the pieces of the output are one text. */
  constructor({ joined }) {
    this.joined = joined;
    this.place = h("div", { class: "output", "aria-live": "polite", "aria-busy": "false" });
    this.bar = h("progress", { max: 1, hidden: true, "aria-label": "Progress" });
    this.message = h("p", { class: "hint", hidden: true });
    this.logs = h("pre", { class: "value logs", tabindex: 0, "aria-label": "Logs" });
    this.logsBox = h("details", { class: "logs-box", hidden: true, open: true }, h("summary", {}, "Logs"), this.logs);
    this.element = h("div", { class: "run" }, this.bar, this.message, this.place, this.logsBox);
    this.text = null;
  }

  /** Show what an event of the log says. */
  take(event) {
    if (event.type === "started" || event.type === "reset") this.#clear();
    else if (event.type === "output") this.#add(event.chunks);
    else if (event.type === "logs") this.say(event.text);
    else if (event.type === "progress") this.#progress(event.fraction, event.message);
  }

  /** Show the whole output, or that there is none. */
  finish(prediction) {
    this.bar.hidden = this.message.hidden = true;
    this.place.setAttribute("aria-busy", "false");
    this.place.classList.remove("growing");
    this.#logs(prediction.logs ?? "");
    const { status, error, output } = prediction;
    const wrong =
      error &&
      h(
        "div",
        { class: `outcome ${status}`, role: "alert" },
        h("strong", {}, status === "failed" ? "It failed" : "It was canceled"),
        h("pre", {}, error),
      );
    if (output !== null && output !== undefined) put(this.place, wrong, shown(output, { joined: this.joined }));
    else if (wrong) put(this.place, wrong);
    else
      put(
        this.place,
        h(
          "p",
          { class: "hint" },
          status === "canceled" ? "It was canceled before it put anything out." : "It has put nothing out.",
        ),
      );
  }

  /** Add to the logs. */
  say(text) {
    this.#logs(this.logs.textContent + text);
  }

  #logs(text) {
    if (this.logs.textContent !== text) this.logs.textContent = text;
    this.logsBox.hidden = text === "";
  }

  #clear() {
    this.text = null;
    put(this.place);
    this.#logs("");
    this.bar.hidden = this.message.hidden = true;
    this.place.setAttribute("aria-busy", "true");
  }

  #add(chunks) {
    this.place.classList.add("growing");
    if (this.joined) {
      if (!this.text) {
        this.text = h("pre", { class: "value text", tabindex: 0 });
        put(this.place, this.text);
      }
      this.text.append(chunks.join(""));
    } else this.place.append(...chunks.map((chunk) => h("div", { class: "chunk" }, shown(chunk))));
  }

  #progress(fraction, message = "") {
    this.bar.hidden = false;
    this.bar.value = fraction;
    this.message.textContent = `${Math.round(fraction * 100)} % ${message}`;
    this.message.hidden = false;
  }
}
