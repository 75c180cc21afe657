// The API: every request of the dashboard, with the key that was pasted.

const KEY = "leveret.key";

/** What the gateway refuses, or why it cannot be reached. */
export class Problem extends Error {
  constructor({ status, code, detail, errors = [], scope = null }) {
    super(detail);
    this.status = status;
    this.code = code;
    this.errors = errors;
    this.scope = scope;
  }
}

/** The key of this tab; empty while none is needed. */
export function key() {
  return sessionStorage.getItem(KEY) ?? "";
}

/** Use this key from now on; an empty one is forgotten. */
export function setKey(given) {
  if (given) sessionStorage.setItem(KEY, given);
  else sessionStorage.removeItem(KEY);
}

/** The address of a path of this gateway, wherever it is mounted. */
export function address(path) {
  return new URL(path.replace(/^\//, ""), document.baseURI.split("#")[0]);
}

/** A link of an answer as one of the address at which this page is: that of the gateway may not be reachable here. */
export function local(link) {
  const found = /\/((?:v1|admin\/v1)\/.*)$/.exec(link);
  return found ? address(found[1]).href : link;
}

/** What the gateway answers, as JSON. Raises Problem. */
export async function call(method, path, { body, signal, headers = {} } = {}) {
  const response = await send(method, path, { body, signal, headers });
  return response.status === 204 ? null : response.json();
}

export const get = (path, options) => call("GET", path, options);
export const post = (path, body, options) => call("POST", path, { ...options, body });
export const remove = (path, options) => call("DELETE", path, options);

/** The response to a request that the gateway has not refused. Raises Problem. */
export async function send(method, path, { body, signal, headers = {} } = {}) {
  const given = { ...headers };
  if (key()) given.Authorization = `Bearer ${key()}`;
  const isForm = body instanceof FormData;
  if (body !== undefined && !isForm) given["Content-Type"] = "application/json";
  let response;
  try {
    const content = body === undefined || isForm ? body : JSON.stringify(body);
    response = await fetch(address(path), { method, body: content, signal, headers: given, cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ status: 0, code: "unreachable", detail: "The gateway cannot be reached. It is tried again." });
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

/** Put a file at the gateway, and answer what names it in an input. Raises Problem. */
export async function upload(file, signal) {
  const form = new FormData();
  form.append("content", file, file.name);
  return (await call("POST", "v1/files", { body: form, signal })).urls.get;
}

/** The path of one model or prediction. */
export const modelPath = (model) => `v1/models/${model.split("/").map(encodeURIComponent).join("/")}`;
export const predictionPath = (id) => `v1/predictions/${encodeURIComponent(id)}`;

async function refusal(response) {
  try {
    return new Problem(await response.json());
  } catch {
    return new Problem({
      status: response.status,
      code: "unexpected",
      detail: `${response.status} ${response.statusText}`,
    });
  }
}
