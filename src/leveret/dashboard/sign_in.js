// The sign-in: where the key is pasted, for a gateway that asks for one.

import { key, setKey } from "./api.js";
import { h } from "./dom.js";
import { hare } from "./icons.js";
import { code } from "./parts.js";

/** The page; `done` is called with a key in place. `error` says why it is shown. */
export function signIn(error, done) {
  const wrong = key() !== "";
  setKey("");
  const field = keyField(wrong);
  const note = wrong
    ? h("p", { id: "key-note", class: "field-error", role: "alert" }, sentence(error.message))
    : h("p", { id: "key-note", class: "hint" }, "It stays in this tab and is forgotten with it.");
  const submit = (event) => {
    event.preventDefault();
    setKey(field.value.trim());
    done();
  };
  const go = h("button", { class: "button primary wide" }, "Continue");
  const form = h("form", { onsubmit: submit }, h("label", { for: "key" }, "API key"), field, note, go);
  const about = h("p", { class: "about" }, "This gateway asks for one.");
  const box = h("div", { class: "sign-in-box" }, hare(), h("h1", {}, "Paste an API key"), about, form, help());
  queueMicrotask(() => field.focus());
  return h("main", { class: "sign-in" }, box);
}

function keyField(wrong) {
  return h("input", {
    id: "key",
    type: "password",
    autocomplete: "off",
    spellcheck: "false",
    placeholder: "lv_…",
    required: true,
    "aria-describedby": "key-note",
    "aria-invalid": wrong ? "true" : null,
  });
}

function help() {
  const scopes = "With read it sees, with predict it runs, with admin it sees to everything.";
  const text = h("p", {}, `Whoever runs Leveret makes it. ${scopes}`);
  return h("details", {}, h("summary", {}, "Where do I get one?"), text, code("leveret keys create --scope admin"));
}

/** The first part of what the gateway says; the rest is advice for programs. */
function sentence(text) {
  const first = text.split(";")[0];
  return `${first[0].toUpperCase()}${first.slice(1)}.`;
}
