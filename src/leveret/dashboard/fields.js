// Fields: the control for each kind of value that a schema can ask for.

import { h } from "./dom.js";
import { FileField } from "./file_field.js";
import { button, iconButton } from "./parts.js";
import { isFile } from "./schema.js";

/** What a field reads as when it says nothing, so that the model's default counts. */
export const NOTHING = Symbol("nothing");

/** A field cannot be read; its message says why. */
export class Unreadable extends Error {}

/**
 * The control for a schema: its `element`, `read()`, which may take a while and raise Unreadable, and the `input` that
 * a label names.
 */
export function control(schema, { id, resolve, required }) {
  if (isFile(schema)) return new FileField(id, NOTHING);
  if (schema.enum) return choice(schema, { id, required });
  if (schema.type === "boolean") return toggle(schema, id);
  if (schema.type === "integer" || schema.type === "number") return numeric(schema, id);
  if (schema.type === "string") return words(schema, id);
  if (schema.type === "array" && schema.items) {
    const items = resolve(schema.items);
    if (isFile(items) || items.enum || ["string", "integer", "number"].includes(items.type))
      return list(schema, items, { id, resolve });
  }
  return raw(schema, id);
}

function words(schema, id) {
  const field = h("textarea", {
    id,
    rows: 1,
    class: "grows",
    spellcheck: "false",
    value: schema.default ?? "",
    maxlength: schema.maxLength,
  });
  const read = () => (field.value === "" && !schema.default ? NOTHING : field.value);
  return { element: field, input: field, read, write: (value) => (field.value = value) };
}

function numeric(schema, id) {
  const low = schema.minimum ?? schema.exclusiveMinimum;
  const high = schema.maximum ?? schema.exclusiveMaximum;
  const step = schema.multipleOf ?? (schema.type === "integer" ? 1 : "any");
  const field = h("input", {
    id,
    type: "number",
    step,
    min: low,
    max: high,
    value: schema.default ?? "",
    inputmode: schema.type === "integer" ? "numeric" : "decimal",
  });
  function read() {
    if (field.validity.badInput) throw new Unreadable("this is no number");
    return field.value === "" ? NOTHING : Number(field.value);
  }
  if (low === undefined || high === undefined) return { element: field, input: field, read };
  const slider = h("input", {
    type: "range",
    min: low,
    max: high,
    step: step === "any" ? (high - low) / 100 : step,
    value: schema.default ?? low,
    "aria-label": "the same as a slider",
    tabindex: -1,
  });
  slider.addEventListener("input", () => (field.value = slider.value));
  field.addEventListener("input", () => (slider.value = field.value));
  return { element: h("div", { class: "numeric" }, slider, field), input: field, read };
}

function toggle(schema, id) {
  const field = h("input", { id, type: "checkbox", role: "switch", checked: schema.default === true });
  return { element: field, input: field, inline: true, read: () => field.checked };
}

function choice(schema, { id, required }) {
  const optional = !required && schema.default === undefined;
  const options = schema.enum.map((value, index) =>
    h("option", { value: String(index), selected: value === schema.default }, String(value)),
  );
  if (optional) options.unshift(h("option", { value: "" }, "–"));
  const field = h("select", { id }, options);
  return {
    element: field,
    input: field,
    read: () => (field.value === "" ? NOTHING : schema.enum[Number(field.value)]),
  };
}

function raw(schema, id) {
  const text = schema.default === undefined || schema.default === null ? "" : JSON.stringify(schema.default, null, 2);
  const field = h("textarea", {
    id,
    rows: 3,
    class: "grows mono",
    spellcheck: "false",
    value: text,
    placeholder: schema.type === "array" ? "[ ]" : schema.type === "object" ? "{ }" : "JSON",
  });
  function read() {
    if (field.value.trim() === "") return NOTHING;
    try {
      return JSON.parse(field.value);
    } catch (error) {
      throw new Unreadable(`this is no JSON: ${error.message}`);
    }
  }
  return { element: field, input: field, read };
}

/** As many values of one kind as are wanted. */
function list(schema, items, { id, resolve }) {
  const rows = h("div", { class: "list-rows" });
  const given = [];
  function add(value) {
    const number = given.length + 1;
    const own = given.length ? `${id}-${number}` : id;
    const made = control({ ...items, default: value }, { id: own, resolve, required: true });
    const line = h("div", { class: "list-row" }, made.element);
    const drop = () => (given.splice(given.indexOf(made), 1), line.remove(), another.focus());
    if (given.length) {
      made.input.setAttribute("aria-label", `item ${number}`);
      line.append(iconButton("close", `remove item ${number}`, drop));
    }
    given.push(made);
    rows.append(line);
    return made;
  }
  const another = button("Add", { kind: "quiet small", symbol: "plus", onclick: () => add().input.focus() });
  const first = schema.default?.length ? schema.default.map((value) => add(value))[0] : add();
  async function read() {
    const values = [];
    for (const one of given) values.push(await one.read());
    const said = values.filter((value) => value !== NOTHING);
    return said.length ? said : NOTHING;
  }
  return { element: h("div", { class: "list" }, rows, another), input: first.input, read };
}
