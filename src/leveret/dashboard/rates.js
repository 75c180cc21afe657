// The rates: throughput, queue and latency of the last minutes as charts.

import { chart } from "./charts.js";
import { h } from "./dom.js";
import { duration, number } from "./format.js";
import { card } from "./parts.js";

/** The three charts of the last minutes. */
export function rateCharts() {
  const rates = chart("Throughput per second", { format: (value) => number(value), least: 1 });
  const depth = chart("Queue depth", {
    format: (value) => number(value === null ? null : Math.round(value * 10) / 10),
    stacked: true,
    least: 4,
  });
  const latency = chart("Latency", { format: duration, least: 0.01 });
  const element = h(
    "div",
    { class: "charts" },
    card("Throughput", { note: "per second" }, rates.element),
    card("Queue", { note: "predictions" }, depth.element),
    card("Latency", { note: "mean" }, latency.element),
  );
  return { element, update: (history) => drawn(history, { rates, depth, latency }) };
}

function drawn(history, { rates, depth, latency }) {
  if (!history.length) return;
  const times = history.map((look) => look.at);
  const waits = history.map((look) => sum(look.lanes));
  const steps = smoothed(history);
  rates.update(times, [
    { name: "submitted", color: "c2", values: steps.map((step) => step.submitted) },
    { name: "finished", color: "c1", values: steps.map((step) => step.ended), area: true },
  ]);
  depth.update(times, [
    { name: "running", color: "c1", values: history.map((look) => look.running) },
    { name: "waiting", color: "c3", values: waits },
  ]);
  latency.update(times, [
    { name: "run", color: "c1", values: steps.map((step) => step.run), area: true },
    {
      name: "wait",
      color: "c3",
      values: steps.map((step, index) => (step.ended > 0 ? waits[index] / step.ended : waits[index] ? null : 0)),
    },
  ]);
}

/** What has happened per second around each look: the counts only grow, so that a difference over some looks is a rate. */
function smoothed(history) {
  const reach = 2;
  return history.map((look, index) => {
    const before = history[Math.max(0, index - reach)];
    const span = look.at - before.at;
    const ended = look.ended - before.ended;
    if (span <= 0 || ended < 0) return { submitted: 0, ended: 0, run: null };
    return {
      submitted: Math.max(0, look.submitted - before.submitted) / span,
      ended: ended / span,
      run: ended ? (look.seconds - before.seconds) / ended : null,
    };
  });
}

const sum = (values) => values.reduce((total, value) => total + value, 0);
