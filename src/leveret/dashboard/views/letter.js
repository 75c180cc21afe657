// One dead letter: what was asked, why it failed, and what to do with it.

import { get, post, remove } from "../api.js";
import { confirm, doing, tell } from "../dialogs.js";
import { h, put } from "../dom.js";
import { moment } from "../format.js";
import { button, card, copyButton, failure, heading, mark, waiting } from "../parts.js";
import { go, href } from "../router.js";
import { modelHref, predictionHref } from "../tables.js";
import { shown } from "../values.js";

const WHY = {
  poison: "Its runs have crashed the model processes of two workers.",
  exhausted: "It has used up the runs that it may have.",
  undeliverable: "The broker gave it to workers too often, and none of them began a run.",
  foreign: "A message that is not one of Leveret's stood in the queue.",
};

export function letter({ names, signal, fail }) {
  const place = h("div", { class: "flow" }, heading(names.id), waiting(6));
  get(`admin/v1/dead/${encodeURIComponent(names.id)}`, { signal }).then(
    (found) => put(place, page(found)),
    (error) => signal.aborted || fail(error) || put(place, heading("Dead letter", { above: back() }), failure(error)),
  );
  return place;
}

function page(found) {
  const above = h("div", { class: "above" }, back(), mark(found.why ?? "failed"));
  const why = h("strong", {}, WHY[found.why] ?? "It failed for good.");
  return [
    heading(h("span", { class: "mono id" }, found.id), { above, actions: actions(found) }),
    facts(found),
    card("Why", {}, h("div", { class: "outcome failed" }, why, h("pre", {}, found.error))),
    found.body === null ? inputCard(found) : card("Message", { aside: copyButton(found.body) }, shown(found.body)),
  ];
}

function actions(found) {
  const path = `admin/v1/dead/${found.id}`;
  const retry = async () => {
    const again = await post(`${path}/retry`);
    tell("It runs again, as a new prediction.");
    go(`/predictions/${again.id}`);
  };
  const purge = async () => {
    const text = "It is gone for good; its prediction stays as failed.";
    if (!(await confirm("Purge this dead letter?", text, "Purge"))) return;
    await remove(path);
    tell("It is purged.");
    go("/dead");
  };
  const again = found.model && button("Retry", { symbol: "retry", onclick: doing(retry) });
  return [again, button("Purge", { kind: "quiet", symbol: "trash", onclick: doing(purge) })].filter(Boolean);
}

function inputCard(found) {
  if (found.data_removed) return card("Input", {}, h("p", { class: "hint" }, "Its data is no longer kept."));
  return card("Input", { aside: copyButton(JSON.stringify(found.input, null, 2)) }, shown(found.input));
}

const back = () => h("a", { href: href("/dead"), class: "back" }, "Dead letters");

function facts(found) {
  const known = [
    ["Model", found.model && h("a", { href: modelHref(found.model) }, found.model)],
    ["Account", found.account],
    ["Attempt", found.attempt && String(found.attempt)],
    ["Created", found.created_at && moment(found.created_at)],
    ["Failed", moment(found.failed_at)],
    ["Prediction", found.urls.prediction && h("a", { href: predictionHref(found.id) }, "what is known of it")],
  ].filter(([, value]) => value);
  return h(
    "dl",
    { class: "facts" },
    known.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
  );
}
