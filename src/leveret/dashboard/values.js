// Values: inputs and outputs as people look at them, with the pictures, sounds and other files in them.

import { local, send } from "./api.js";
import { h, put } from "./dom.js";
import { size } from "./format.js";
import { icon } from "./icons.js";

const LINK = /\/v1\/files\/[^/?#]+\/download\?/;
const LONGEST = 200_000;

/** The value; `joined` is whether a list of texts is one text in pieces. */
export function shown(value, { joined = false } = {}) {
  if (value === null || value === undefined) return h("p", { class: "hint" }, "nothing");
  if (joined && Array.isArray(value)) return text(value.join(""));
  if (typeof value === "string") return isFile(value) ? file(value) : text(value);
  if (Array.isArray(value) && value.length && value.every((one) => typeof one === "string" && isFile(one))) {
    return h("div", { class: "files" }, value.map(file));
  }
  return [filesIn(value), json(value)];
}

/** The same value as JSON, with long data: URLs cut short. */
export function json(value) {
  const brief = (_, one) =>
    typeof one === "string" && one.startsWith("data:") && one.length > 120
      ? `${one.slice(0, 80)}… (${size(one.length)})`
      : one;
  return h("pre", { class: "value json", tabindex: 0 }, cut(JSON.stringify(value, brief, 2)));
}

function text(content) {
  return h("pre", { class: "value text", tabindex: 0 }, cut(content));
}

function cut(content) {
  return content.length > LONGEST ? `${content.slice(0, LONGEST)}\n… ${size(content.length - LONGEST)} more` : content;
}

function isFile(content) {
  return /^data:[\w.+-]+\/[\w.+-]+[;,]/.test(content) || LINK.test(content);
}

/** The files anywhere inside of a value. */
function filesIn(value) {
  const found = [];
  JSON.stringify(value, (_, one) => (typeof one === "string" && isFile(one) && found.push(one), one));
  return found.length > 0 && h("div", { class: "files" }, found.slice(0, 50).map(file));
}

/** A file by its link, as what it is. */
export function file(link) {
  const place = h("div", { class: "file" }, h("div", { class: "bone" }));
  look(link).then(
    (about) => put(place, media(about)),
    () => put(place, h("p", { class: "hint" }, icon("file"), " The file is no longer here.")),
  );
  return place;
}

/** What is known of it: its address here, its type, name and size. */
async function look(link) {
  if (link.startsWith("data:")) {
    const head = link.slice(5, link.indexOf(",")).split(";");
    const name = head.find((part) => part.startsWith("name="))?.slice(5);
    return {
      source: link,
      type: head[0],
      name: name ? decodeURIComponent(name) : "",
      bytes: Math.round((link.length * 3) / 4),
    };
  }
  const source = local(link);
  const answer = await send("HEAD", source);
  const name = /filename="([^"]*)"/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1] ?? "";
  return {
    source,
    type: (answer.headers.get("Content-Type") ?? "").split(";")[0],
    name,
    bytes: Number(answer.headers.get("Content-Length") ?? 0),
  };
}

function media({ source, type, name, bytes }) {
  const called = name || type;
  const kind = type.split("/")[0];
  const caption = h(
    "div",
    { class: "file-about" },
    h(
      "span",
      { class: "stack" },
      h("span", { class: "file-name" }, called),
      h("span", { class: "hint" }, `${type} · ${size(bytes)}`),
    ),
    h(
      "a",
      { href: source, download: name || "output", class: "button quiet small", "aria-label": `Download ${called}` },
      icon("download"),
    ),
  );
  const seen = {
    image: () => h("img", { src: source, alt: called }),
    audio: () => h("audio", { src: source, controls: true, "aria-label": called }),
    video: () => h("video", { src: source, controls: true, "aria-label": called }),
  }[kind]?.();
  return [seen ?? h("div", { class: "file-blank" }, icon("file")), caption];
}
