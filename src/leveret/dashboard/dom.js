// Elements: made, and put in the place of others without losing the focus.

const SVG = "http://www.w3.org/2000/svg";

/** An element with these properties and children; strings become text, and nothing is ever parsed as HTML. */
export function h(tag, properties = {}, ...children) {
  return filled(document.createElement(tag), properties, children);
}

/** The same for the elements of a picture. */
export function svg(tag, properties = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), properties, children);
}

/** Show these nodes in place of what is there; whatever had the focus has it again if it is there again. */
export function put(place, ...nodes) {
  const focused = place.contains(document.activeElement) ? address(document.activeElement) : null;
  place.replaceChildren(
    ...nodes.flat(Infinity).filter((node) => node !== null && node !== undefined && node !== false),
  );
  if (focused) place.querySelector(focused)?.focus({ preventScroll: true });
}

/** Shows what `render` makes of a value, again only when the value has changed. */
export function shower(place, render) {
  let shown;
  return (value) => {
    const now = JSON.stringify(value);
    if (now === shown) return;
    shown = now;
    put(place, render(value));
  };
}

let count = 0;

/** An id that no other element has. */
export function uniqueId() {
  count += 1;
  return `e${count}`;
}

function filled(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) set(element, name, value);
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
  return element;
}

function set(element, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  else if (name === "value" || name === "checked" || name === "selected") element[name] = value;
  else element.setAttribute(name, value === true ? "" : value);
}

/** A selector by which the same element is found among those that take its place. */
function address(element) {
  if (element.id) return `#${CSS.escape(element.id)}`;
  const href = element.getAttribute("href");
  if (href) return `${element.localName}[href="${CSS.escape(href)}"]`;
  const key = element.dataset.key;
  return key ? `[data-key="${CSS.escape(key)}"]` : null;
}
