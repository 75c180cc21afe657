// The router: which page the part of the address behind `#` stands for.

/** The path and the parameters that the address names now. */
export function here() {
  const [path, query = ""] = (location.hash.slice(1) || "/").split("?");
  return { path, query: new URLSearchParams(query) };
}

/** The address of a page with these parameters, without those that are empty. */
export function href(path, query = {}) {
  const given = new URLSearchParams(Object.entries(query).filter(([, value]) => value));
  return `#${path}${given.size ? `?${given}` : ""}`;
}

/** Go there. */
export function go(path, query) {
  location.hash = href(path, query);
}

/** Calls `show(page, names, query)` for the page of the address, now and whenever it changes. */
export function route(pages, show) {
  const patterns = pages.map(([pattern, page]) => [
    new RegExp(`^${pattern.replace(/:(\w+)/g, "(?<$1>[^/]+)")}$`),
    page,
  ]);
  function arrive() {
    const { path, query } = here();
    for (const [pattern, page] of patterns) {
      const found = pattern.exec(path);
      if (found) return show(page, decoded(found.groups ?? {}), query);
    }
    show(null, {}, query);
  }
  addEventListener("hashchange", arrive);
  arrive();
}

function decoded(groups) {
  return Object.fromEntries(Object.entries(groups).map(([name, value]) => [name, decodeURIComponent(value)]));
}
