// The dead letters: what has failed for good without an answer of its model.

import { call, get, post } from "../api.js";
import { confirm, doing, tell } from "../dialogs.js";
import { h, put, shower } from "../dom.js";
import { counted } from "../format.js";
import { button, empty, failure, heading, mark, row, table, waiting, when } from "../parts.js";
import { poll } from "../poll.js";
import { go, href } from "../router.js";

const COLUMNS = [
  ["Why"],
  ["Dead letter", "grow"],
  ["Model", "wide-only"],
  ["Failed", "end"],
  [h("span", { class: "unseen" }, "Actions"), "end"],
];

export function letters({ query, signal, fail }) {
  const model = query.get("model") ?? "";
  const list = h("div", { class: "list-place" }, waiting(6));
  const foot = h("div", { class: "foot" });
  const tools = h("div", { class: "actions" });
  let [newest, older, next] = [[], [], null];
  const again = async () => {
    const found = await page(model, "", signal);
    if (!older.length) next = found.next;
    newest = found.results;
    draw();
  };
  const show = shower(list, (found) => (found.length ? lettersOf(found, refresh) : none(model)));
  const refresh = poll(again, {
    seconds: 4,
    signal,
    fail: (error) => fail(error) || (put(tools), put(list, failure(error))),
  });

  function draw() {
    show([...newest, ...older]);
    put(tools, newest.length > 0 && bulk(model, refresh));
    put(foot, next && button("Show older ones", { "data-key": "older", onclick: doing(more) }));
  }
  async function more() {
    const found = await page(model, new URL(next).searchParams.get("cursor"), signal);
    older = [...older, ...found.results];
    next = found.next;
    draw();
  }
  const head = heading("Dead letters", { about: "What has failed for good without an answer of its model." });
  head.append(h("div", { class: "actions" }, modelFilter(model, signal), tools));
  return [head, list, foot];
}

function lettersOf(found, refresh) {
  const rows = found.map((one) => letterRow(one, refresh));
  return table("Dead letters", COLUMNS, rows);
}

function page(model, cursor, signal) {
  const given = Object.entries({ model, cursor }).filter(([, value]) => value);
  return get(`admin/v1/dead?${new URLSearchParams(given)}`, { signal });
}

/** What can be done with all of them. */
function bulk(model, refresh) {
  const which = model ? `all dead letters of ${model}` : "all dead letters";
  const query = model ? `?model=${encodeURIComponent(model)}` : "";
  const retry = async () => {
    if (!(await confirm(`Retry ${which}?`, "Each becomes a new prediction. Foreign messages stay.", "Retry all")))
      return;
    let [path, done] = [`admin/v1/dead/retry${query}`, 0];
    while (path) {
      const answer = await post(path);
      done += answer.retried;
      path = answer.next && `admin/v1/dead/retry${new URL(answer.next).search}`;
    }
    tell(`${counted(done, "prediction")} run again.`);
    refresh();
  };
  const purge = async () => {
    if (!(await confirm(`Purge ${which}?`, "They are gone for good; their predictions stay as failed.", "Purge all")))
      return;
    const { purged } = await call("DELETE", `admin/v1/dead${query}`);
    tell(`${counted(purged, "dead letter")} purged.`);
    refresh();
  };
  return [
    button("Retry all", { symbol: "retry", "data-key": "retry-all", onclick: doing(retry) }),
    button("Purge all", { kind: "quiet", symbol: "trash", "data-key": "purge-all", onclick: doing(purge) }),
  ];
}

function letterRow(one, refresh) {
  const retry = async () => {
    const again = await post(`admin/v1/dead/${one.id}/retry`);
    tell(`It runs again as ${again.id}.`);
    refresh();
  };
  return row(COLUMNS, [
    mark(one.why ?? "failed"),
    h(
      "a",
      { href: href(`/dead/${one.id}`), class: "row-link" },
      h("span", { class: "mono" }, one.id),
      h("span", { class: "gist" }, one.error),
    ),
    one.model ?? "–",
    when(one.failed_at),
    one.model &&
      button("Retry", {
        kind: "small",
        symbol: "retry",
        "data-key": `retry-${one.id}`,
        "aria-label": `Retry ${one.id}`,
        onclick: doing(retry),
      }),
  ]);
}

function modelFilter(model, signal) {
  const select = h(
    "select",
    { "aria-label": "Filter by model", onchange: () => go("/dead", { model: select.value }) },
    h("option", { value: "" }, "All models"),
  );
  if (model) select.append(h("option", { value: model, selected: true }, model));
  get("v1/models", { signal }).then(
    ({ results }) =>
      select.append(
        ...results
          .map((one) => `${one.owner}/${one.name}`)
          .filter((name) => name !== model)
          .map((name) => h("option", { value: name }, name)),
      ),
    () => {}, // the list says what is wrong
  );
  return select;
}

function none(model) {
  return empty(
    "Nothing has died",
    model
      ? `There is no dead letter of ${model}.`
      : "What fails for good without an answer of its model is kept here, to be looked at, retried or purged.",
  );
}
