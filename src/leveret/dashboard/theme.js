// The theme: light, dark, or what the system says.

import { h } from "./dom.js";
import { icon } from "./icons.js";

const NAME = "leveret.theme";
const THEMES = [
  ["system", "screen", "As the system"],
  ["light", "sun", "Light"],
  ["dark", "moon", "Dark"],
];

function chosen() {
  return localStorage.getItem(NAME) ?? "system";
}

function use(theme) {
  localStorage.setItem(NAME, theme);
  document.documentElement.dataset.theme = theme;
}

/** The switch between them. */
export function themeSwitch() {
  const buttons = THEMES.map(([theme, symbol, label]) =>
    h(
      "button",
      {
        type: "button",
        class: "theme",
        title: label,
        "aria-label": label,
        "aria-pressed": String(theme === chosen()),
        onclick: () => choose(theme),
      },
      icon(symbol),
    ),
  );
  function choose(theme) {
    use(theme);
    buttons.forEach((one, index) => one.setAttribute("aria-pressed", String(THEMES[index][0] === theme)));
  }
  return h("div", { class: "themes", role: "group", "aria-label": "Theme" }, buttons);
}

use(chosen());
