// One dead letter: what was asked, why it failed, and what to do with it.

import { get, post, remove } from "../api.js";
import { confirm, doing, tell } from "../dialogs.js";
import { h, put } from "../dom.js";
import { moment } from "../format.js";
import { button, card, copyButton, failure, heading, waiting } from "../parts.js";
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
  const path = `admin/v1/dead/${found.id}`;
  const retry = async () => {
    const again = await post(`${path}/retry`);
    tell("It runs again, as a new prediction.");
    go(`/predictions/${again.id}`);
  };
  const purge = async () => {
    if (!(await confirm("Purge this dead letter?", "It is gone for good; its prediction stays as failed.", "Purge")))
      return;
    await remove(path);
    tell("It is purged.");
    go("/dead");
  };
  const actions = [
    found.model && button("Retry", { symbol: "retry", onclick: doing(retry) }),
    button("Purge", { kind: "quiet", symbol: "trash", onclick: doing(purge) }),
  ].filter(Boolean);
  const badge = h(
    "span",
    { class: `badge badge-${found.why}` },
    h("i", { "aria-hidden": "true" }),
    found.why ?? "failed",
  );
  return [
    heading(h("span", { class: "mono id" }, found.id), { above: h("div", { class: "above" }, back(), badge), actions }),
    facts(found),
    card(
      "Why",
      {},
      h(
        "div",
        { class: "outcome failed" },
        h("strong", {}, WHY[found.why] ?? "It failed for good."),
        h("pre", {}, found.error),
      ),
    ),
    found.body === null
      ? card(
          "Input",
          { aside: !found.data_removed && copyButton(JSON.stringify(found.input, null, 2)) },
          found.data_removed ? h("p", { class: "hint" }, "Its data is no longer kept.") : shown(found.input),
        )
      : card("Message", { aside: copyButton(found.body) }, shown(found.body)),
  ];
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
