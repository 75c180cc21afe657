// The workers that are alive, and how busy they are.

import { get } from "../api.js";
import { h, put, shower } from "../dom.js";
import { counted } from "../format.js";
import { icon } from "../icons.js";
import { code, empty, failure, gauge, heading, row, table, waiting } from "../parts.js";
import { poll } from "../poll.js";
import { modelHref } from "../tables.js";

const COLUMNS = [["Worker", "grow"], ["Model"], ["State"], ["Busy", "end"], ["Lease left", "end wide-only"]];

export function workers({ signal, fail }) {
  const list = h("div", { class: "list-place" }, waiting(5));
  const about = h("p", { class: "about" }, " ");
  const show = shower(list, (found) => (found.length ? table("Workers", COLUMNS, found.map(workerRow)) : noWorkers()));
  poll(
    async () => {
      const { results } = await get("admin/v1/workers", { signal });
      const hosts = new Set(results.map((one) => named(one.id).host)).size;
      about.textContent = results.length
        ? `${counted(results.length, "worker")} on ${counted(hosts, "host")}, ${counted(sum(results, "running"), "run")} under way in ${counted(sum(results, "slots"), "slot")}.`
        : "";
      show(results.map((one) => ({ ...one, expires_at: Math.max(0, Math.round(one.expires_at - Date.now() / 1000)) })));
    },
    { seconds: 2, signal, fail: (error) => fail(error) || put(list, failure(error)) },
  );
  const head = heading("Workers");
  head.querySelector(".heading-text").append(about);
  return [head, list];
}

function workerRow(one) {
  const { host, process } = named(one.id);
  return row(COLUMNS, [
    h(
      "span",
      { class: "stack", title: one.id },
      h("span", { class: "strong" }, host),
      h("span", { class: "gist mono" }, process),
    ),
    h("a", { href: modelHref(one.model) }, one.model),
    one.problem
      ? h("span", { class: "presence bad", title: one.problem }, icon("alert"), one.problem)
      : h("span", { class: "presence good" }, h("i", {}), "ready"),
    h(
      "span",
      { class: "of" },
      `${one.running} / ${one.slots}`,
      gauge(one.running, one.slots, `${one.running} of ${one.slots} slots are busy`),
    ),
    h("span", { title: "without another sign of life it counts as gone then" }, `${one.expires_at} s`),
  ]);
}

/** A worker's id is its host, its process and something random. */
function named(id) {
  const parts = id.split("-");
  return parts.length < 3
    ? { host: id, process: "" }
    : { host: parts.slice(0, -2).join("-"), process: `process ${parts.at(-2)} · ${parts.at(-1)}` };
}

function noWorkers() {
  return empty("No worker is alive", "Predictions are accepted and wait until one is.", code("leveret worker app.py"));
}

const sum = (values, name) => values.reduce((total, one) => total + one[name], 0);
