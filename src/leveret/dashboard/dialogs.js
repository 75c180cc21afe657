// Dialogs: questions that have to be answered first, and notes that go by themselves.

import { h, uniqueId } from "./dom.js";
import { button } from "./parts.js";

/** Whether it shall be done; what cannot be undone is asked for like this. */
export function confirm(title, text, action) {
  return new Promise((resolve) => {
    const id = uniqueId();
    const cancel = button("Keep", { onclick: () => dialog.close("") });
    const act = button(action, { kind: "danger", onclick: () => dialog.close("yes") });
    const dialog = h(
      "dialog",
      { "aria-labelledby": id },
      h("h2", { id }, title),
      h("p", {}, text),
      h("div", { class: "actions" }, cancel, act),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
    cancel.focus();
  });
}

/** Say something for a while. */
export function tell(text, kind = "") {
  const note = h("div", { class: `toast ${kind}` }, text);
  document.getElementById("toasts").append(note);
  setTimeout(() => note.remove(), 5000);
}

/** A handler that does something, shows that it does, and tells what goes wrong. */
export function doing(action) {
  return async (event) => {
    const source = event.currentTarget;
    source.disabled = true;
    try {
      await action(event);
    } catch (error) {
      tell(error.message, "bad");
    } finally {
      source.disabled = false;
    }
  };
}
