// Icons: drawn on a grid of 16, in the colour of the text.

import { svg } from "./dom.js";

const PATHS = {
  overview: "M2.5 13.5v-5M6.200 13.500v-11M9.800 13.500v-7M13.500 13.500v-9",
  models: "M8 1.800 13.500 5v6L8 14.200 2.500 11V5zM2.500 5 8 8.200 13.500 5M8 8.200v6",
  predictions: "M2.500 4h.01M2.500 8h.01M2.500 12h.01M5.500 4h8M5.500 8h8M5.500 12h8",
  workers:
    "M4.500 4.500h7v7h-7zM6.500 2v2.500M9.500 2v2.500M6.500 11.500V14M9.500 11.500V14M2 6.500h2.500M2 9.500h2.500M11.500 6.500H14M11.500 9.500H14",
  dead: "M2 4.500h12v9H2zM2 4.500l6 5 6-5",
  reference: "M3 2.500h7.500A2.500 2.500 0 0 1 13 5v8.500H5a2 2 0 0 1-2-2zM3 11.500a2 2 0 0 1 2-2h8",
  sun: "M8 5.200a2.800 2.800 0 1 0 0 5.600 2.800 2.800 0 0 0 0-5.600M8 1.500v1.300M8 13.200v1.300M1.500 8h1.300M13.200 8h1.300M3.400 3.400l.9.9M11.700 11.700l.9.9M3.400 12.600l.9-.9M11.700 4.300l.9-.9",
  moon: "M13.500 9.500A6 6 0 0 1 6.500 2.500a6 6 0 1 0 7 7",
  screen: "M2 3h12v8H2zM5.500 13.500h5M8 11v2.500",
  play: "M4.500 2.800v10.400L13 8z",
  stop: "M4 4h8v8H4z",
  retry: "M13 8a5 5 0 1 1-1.500-3.600L13 6M13 2.500V6H9.500",
  trash: "M2.500 4.500h11M6 4.500V2.500h4v2M4 4.500l.6 9h6.800l.6-9",
  copy: "M5.500 5.500h8v8h-8zM10.500 5.500v-3h-8v8h3",
  upload: "M8 10.500v-8M5 5l3-3 3 3M2.500 10.500v3h11v-3",
  download: "M8 2.500v8M5 8l3 3 3-3M2.500 13.500h11",
  close: "M4 4l8 8M12 4l-8 8",
  plus: "M8 3v10M3 8h10",
  key: "M6 6.500a3 3 0 1 0 0 3h8v-1.500M11.500 9.500V8M6 6.500h8v1.500",
  leave: "M6.500 2.500h-4v11h4M10 5l3 3-3 3M13 8H6",
  next: "M6 3.500 10.500 8 6 12.500",
  file: "M3.500 1.800h6l3 3v9.400h-9zM9.500 1.800v3h3",
  alert: "M8 2 14.500 13.500h-13zM8 6.500v3M8 11.500h.01",
};

/** The icon of this name. */
export function icon(name) {
  const drawn = svg("path", { d: PATHS[name] });
  return svg("svg", { viewBox: "0 0 16 16", class: `icon icon-${name}`, "aria-hidden": "true" }, drawn);
}

/** The hare. */
export function hare() {
  const head =
    "M11.600 15.200C9.400 11 9 6 10.600 5.200c1.700-.8 4 3.600 4.600 8 .6-4.400 2.900-8.800 4.600-8 1.600.8 1.200 5.800-1 10 2.300 1.200 3.700 3.300 3.700 5.800 0 3.600-3.300 6-7.300 6s-7.300-2.400-7.300-6c0-2.500 1.400-4.600 3.700-5.800Z";
  return svg(
    "svg",
    { viewBox: "0 0 32 32", class: "hare", "aria-hidden": "true" },
    svg("rect", { width: 32, height: 32, rx: 8, class: "hare-ground" }),
    svg("path", { d: head, class: "hare-head" }),
    svg("circle", { cx: 12.6, cy: 20.4, r: 1.2, class: "hare-ground" }),
    svg("circle", { cx: 17.8, cy: 20.4, r: 1.2, class: "hare-ground" }),
  );
}
