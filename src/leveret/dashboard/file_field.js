// The file field: a file of this machine, which is uploaded, or the address of one.

import { upload } from "./api.js";
import { h, put } from "./dom.js";
import { size } from "./format.js";
import { icon } from "./icons.js";
import { iconButton } from "./parts.js";

export class FileField {
  /** It reads as `nothing` while there is no file. */
  constructor(id, nothing) {
    this.nothing = nothing;
    this.chosen = null;
    this.input = h("input", { id, type: "file", class: "picker", onchange: () => this.#take(this.input.files[0]) });
    this.link = h("input", {
      type: "url",
      placeholder: "or paste the URL of a file",
      "aria-label": "the URL of a file",
    });
    this.seen = h("div", { class: "picked" });
    this.zone = this.#zone(id);
    this.element = h("div", { class: "file-field" }, this.input, this.zone, this.link, this.seen);
  }

  /** What names the file in an input; it is uploaded by this. */
  async read() {
    return this.chosen ? upload(this.chosen) : this.link.value.trim() || this.nothing;
  }

  #take(file) {
    this.chosen = file ?? null;
    put(this.seen, file && this.#about(file));
    this.zone.hidden = this.link.hidden = this.chosen !== null;
  }

  #about(file) {
    const picture = file.type.startsWith("image/") && h("img", { src: URL.createObjectURL(file), alt: "" });
    const name = h("span", { class: "file-name" }, file.name);
    const clear = iconButton("close", "remove the file", () => this.#clear());
    return [picture || icon("file"), name, h("span", { class: "hint" }, size(file.size)), clear];
  }

  #clear() {
    this.input.value = "";
    this.#take(null);
    this.input.focus();
  }

  #zone(id) {
    const text = h("span", {}, h("b", {}, "Choose a file"), " or drop it here");
    const zone = h("label", { class: "drop", for: id }, icon("upload"), text);
    zone.addEventListener("dragover", (event) => (event.preventDefault(), zone.classList.add("over")));
    zone.addEventListener("dragleave", () => zone.classList.remove("over"));
    zone.addEventListener("drop", (event) => {
      event.preventDefault();
      zone.classList.remove("over");
      this.#take(event.dataTransfer.files[0]);
    });
    return zone;
  }
}
