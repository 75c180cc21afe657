// The form: a field for each input of a model, made from its schema.

import { h } from "./dom.js";
import { control, NOTHING, Unreadable } from "./fields.js";
import { bounds, inputs, kind } from "./schema.js";

/** The form of a model's schemas; `submitted` is called when it is sent. */
export class Form {
  constructor(given, submitted) {
    this.fields = inputs(given).map((one) => new Field(one, given.resolve));
    this.summary = h("div", { class: "form-summary", role: "alert", hidden: true });
    this.element = h(
      "form",
      { novalidate: true, class: "form", "aria-label": "Input" },
      this.summary,
      this.fields.map((field) => field.element),
    );
    this.element.addEventListener("submit", (event) => (event.preventDefault(), submitted()));
    this.element.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submitted();
    });
  }

  /** The input as it stands here; files are uploaded by this. Null if a field cannot be read, which shows why. */
  async read() {
    this.complain([]);
    const found = {};
    let readable = true;
    for (const field of this.fields) {
      try {
        const value = await field.control.read();
        if (value !== NOTHING) found[field.name] = value;
      } catch (error) {
        if (!(error instanceof Unreadable)) throw error;
        field.complain(error.message);
        readable = false;
      }
    }
    if (!readable) this.#focus();
    return readable ? found : null;
  }

  /** Show each problem `{path, message}` at its field, and above the form what belongs to none. */
  complain(problems) {
    const others = [];
    for (const field of this.fields) field.complain("");
    for (const { path, message } of problems) {
      const [, , name, ...inside] = path.split("/").map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
      const field = this.fields.find((one) => one.name === name);
      if (field) field.complain(inside.length ? `${inside.join("/")}: ${message}` : message);
      else others.push(`${path}: ${message}`);
    }
    this.summary.textContent = others.join("; ");
    this.summary.hidden = !others.length;
    if (problems.length) this.#focus();
  }

  #focus() {
    this.fields.find((field) => field.wrong)?.control.input.focus();
  }
}

class Field {
  constructor({ name, schema, required }, resolve) {
    const id = `input-${name}`;
    this.name = name;
    this.wrong = false;
    this.control = control(schema, { id, resolve, required });
    this.error = h("p", { id: `${id}-error`, class: "field-error", hidden: true });
    const about = [schema.description, bounds(schema)].filter(Boolean).join(" · ");
    const hint = about && h("p", { id: `${id}-hint`, class: "hint" }, about);
    this.control.input.setAttribute("aria-describedby", `${hint ? `${id}-hint ` : ""}${id}-error`);
    if (required) this.control.input.setAttribute("aria-required", "true");
    const label = h(
      "label",
      { for: id },
      name,
      required && h("span", { class: "required", title: "required" }, "required"),
    );
    const head = h("div", { class: "field-head" }, label, h("span", { class: "kind" }, kind(schema, resolve)));
    const body = this.control.inline
      ? h("div", { class: "inline" }, this.control.element, head)
      : [head, this.control.element];
    this.element = h("div", { class: "field" }, body, hint, this.error);
  }

  /** Show what is wrong with it, or nothing. */
  complain(message) {
    this.wrong = message !== "";
    this.error.textContent = message;
    this.error.hidden = !this.wrong;
    this.element.classList.toggle("wrong", this.wrong);
    if (this.wrong) this.control.input.setAttribute("aria-invalid", "true");
    else this.control.input.removeAttribute("aria-invalid");
  }
}
