// The stream: the log of a prediction as it grows. An EventSource could not send the key, so it is read with fetch.

import { predictionPath, Problem, send } from "./api.js";

const AGAIN = 1000;

/** Each entry of the log, `{number, event}`, until the final one; goes on where it was when a connection breaks. */
export async function* follow(id, signal) {
  let last = 0;
  while (!signal.aborted) {
    try {
      const response = await send("GET", `${predictionPath(id)}/events?after=${last}`, { signal });
      if (response.status === 204) return;
      for await (const entry of entries(response.body)) {
        last = entry.number;
        yield entry;
        if (["succeeded", "failed", "canceled"].includes(entry.event.type)) return;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem && error.status >= 400 && error.status < 500) throw error;
    }
    await pause(AGAIN, signal);
  }
}

/** The server-sent events in a body. */
async function* entries(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  try {
    while (true) {
      const { value, done } = await reader.read();
      if (done) return;
      buffer += value;
      const blocks = buffer.split("\n\n");
      buffer = blocks.pop();
      for (const block of blocks) {
        const entry = parsed(block);
        if (entry) yield entry;
      }
    }
  } finally {
    reader.cancel().catch(() => {}); // it may be closed already
  }
}

function parsed(block) {
  const fields = Object.fromEntries(
    block.split("\n").map((line) => /^(\w*): ?(.*)$/s.exec(line)?.slice(1) ?? ["", ""]),
  );
  return fields.id && fields.data ? { number: Number(fields.id), event: JSON.parse(fields.data) } : null;
}

function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
