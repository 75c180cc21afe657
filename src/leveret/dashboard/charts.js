// Charts: lines and areas over time, drawn as SVG as wide as their place.

import { h, put, svg } from "./dom.js";
import { clock } from "./format.js";

const HEIGHT = 168;
const LEFT = 54;
const RIGHT = 8;
const TOP = 10;
const BOTTOM = 22;

/**
 * A chart of several series over the same times. `series` are `{name, color, values, area}`; a value of null is a gap.
 * `format` writes a value, `stacked` puts each series on those before it. Answers the element and what draws it anew.
 */
export function chart(label, { format, stacked = false, least = 1 }) {
  const place = h("div", { class: "chart", role: "img", "aria-label": label });
  const legend = h("div", { class: "legend" });
  let data = { times: [], series: [] };
  const redraw = () => data.times.length && put(place, drawing(place, data, { format, stacked, least }));
  new ResizeObserver(redraw).observe(place);
  function update(times, series) {
    data = { times, series };
    put(
      legend,
      series.map((one) => key(one, format)),
    );
    place.setAttribute(
      "aria-label",
      `${label}: ${series.map((one) => `${one.name} ${format(one.values.at(-1) ?? null)}`).join(", ")}`,
    );
    redraw();
  }
  return { element: h("figure", { class: "figure" }, legend, place), update };
}

/** A line without axes, for a row of a table. */
export function spark(values, label) {
  const most = Math.max(...values, 1e-9);
  const points = values.map(
    (value, index) => `${(index / Math.max(1, values.length - 1)) * 80},${18 - (value / most) * 16}`,
  );
  return svg(
    "svg",
    { viewBox: "0 0 80 20", class: "spark", role: "img", "aria-label": label },
    svg("polyline", { points: points.join(" ") }),
  );
}

function key({ name, color, values }, format) {
  return h(
    "span",
    { class: "legend-item" },
    h("i", { class: `swatch ${color}` }),
    name,
    h("b", {}, format(values.at(-1) ?? null)),
  );
}

function drawing(place, { times, series }, { format, stacked, least }) {
  const width = Math.max(220, place.clientWidth);
  const levels = stacked ? stack(series) : series.map((one) => ({ ...one, bases: null }));
  const top = ceiling(Math.max(least, ...levels.flatMap((one) => one.values.filter((value) => value !== null))));
  const [first, last] = [times[0], times.at(-1)];
  const x = (at) => LEFT + ((at - first) / Math.max(1e-9, last - first)) * (width - LEFT - RIGHT);
  const y = (value) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - TOP - BOTTOM);
  const marks = svg("g", { class: "hover", visibility: "hidden" });
  const tip = h("div", { class: "tip", hidden: true });
  const picture = svg(
    "svg",
    { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, "aria-hidden": "true" },
    grid(width, top, y, format),
    axis(first, last, x),
    levels.toReversed().map((one) => shape(one, times, x, y)),
    marks,
  );
  picture.addEventListener("pointermove", (event) =>
    hover(event, { times, series, levels, x, y, format, marks, tip, width }),
  );
  picture.addEventListener("pointerleave", () => (marks.setAttribute("visibility", "hidden"), (tip.hidden = true)));
  return [picture, tip];
}

/** Each series on the sum of those before it. */
function stack(series) {
  let bases = series[0]?.values.map(() => 0) ?? [];
  return series.map((one) => {
    const values = one.values.map((value, index) => bases[index] + (value ?? 0));
    const level = { ...one, area: true, values, bases };
    bases = values;
    return level;
  });
}

/** The next round number, of which a half is round, too. */
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 6, 8, 10].map((factor) => factor * power).find((round) => round >= value * 0.999);
}

function grid(width, top, y, format) {
  return [0, 0.5, 1].map((share) => [
    svg("line", {
      x1: LEFT,
      x2: width - RIGHT,
      y1: y(top * share),
      y2: y(top * share),
      class: share ? "grid" : "grid floor",
    }),
    svg("text", { x: LEFT - 8, y: y(top * share) + 4, class: "tick end" }, format(top * share)),
  ]);
}

function axis(first, last, x) {
  const span = last - first;
  const step = [10, 30, 60, 120].find((seconds) => span / seconds <= 5) ?? 300;
  const marks = [];
  for (let back = 0; back <= span + 0.01; back += step) {
    const text = back === 0 ? "now" : back % 60 ? `−${back} s` : `−${back / 60} min`;
    const at = x(last - back);
    marks.push(
      svg("text", { x: at, y: HEIGHT - 5, class: `tick ${back === 0 ? "end" : at < LEFT + 16 ? "" : "middle"}` }, text),
    );
  }
  return marks;
}

function shape(level, times, x, y) {
  const runs = [];
  let run = [];
  level.values.forEach((value, index) => {
    if (value === null) run = [];
    else {
      if (!run.length) runs.push(run);
      run.push(index);
    }
  });
  return runs.map((indexes) => {
    const line = indexes.map((index) => `${x(times[index]).toFixed(1)},${y(level.values[index]).toFixed(1)}`);
    const floor = indexes
      .toReversed()
      .map((index) => `${x(times[index]).toFixed(1)},${y(level.bases?.[index] ?? 0).toFixed(1)}`);
    return svg(
      "g",
      { class: `series ${level.color}` },
      level.area && svg("polygon", { points: [...line, ...floor].join(" "), class: "area" }),
      indexes.length > 1
        ? svg("polyline", { points: line.join(" "), class: "line" })
        : svg("circle", { cx: x(times[indexes[0]]), cy: y(level.values[indexes[0]]), r: 1.5, class: "point" }),
    );
  });
}

function hover(event, { times, series, levels, x, y, format, marks, tip, width }) {
  const left = event.currentTarget.getBoundingClientRect().left;
  const at = event.clientX - left;
  const index = times.reduce(
    (best, time, one) => (Math.abs(x(time) - at) < Math.abs(x(times[best]) - at) ? one : best),
    0,
  );
  const middle = x(times[index]);
  put(
    marks,
    svg("line", { x1: middle, x2: middle, y1: TOP, y2: HEIGHT - BOTTOM, class: "cursor" }),
    levels
      .filter((one) => one.values[index] !== null)
      .map((one) => svg("circle", { cx: middle, cy: y(one.values[index]), r: 3, class: `dot ${one.color}` })),
  );
  marks.setAttribute("visibility", "visible");
  put(
    tip,
    h("b", {}, clock(times[index] * 1000)),
    series.map((one) =>
      h("span", {}, h("i", { class: `swatch ${one.color}` }), one.name, h("em", {}, format(one.values[index]))),
    ),
  );
  tip.hidden = false;
  tip.style.left = `${Math.min(middle + 12, width - tip.offsetWidth - 4)}px`;
  if (middle > width / 2) tip.style.left = `${middle - tip.offsetWidth - 12}px`;
}
