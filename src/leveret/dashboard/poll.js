// The poll: asks again and again while a page is looked at.

/** Call `ask` now and then every so many seconds until the signal; `fail` is told what goes wrong. */
export function poll(ask, { seconds, signal, fail }) {
  let timer;
  const again = () => (timer = setTimeout(run, seconds * 1000));
  async function run() {
    clearTimeout(timer);
    if (signal.aborted) return;
    if (document.hidden) return again();
    try {
      await ask();
    } catch (error) {
      if (signal.aborted || error.name === "AbortError") return;
      fail(error);
    }
    if (!signal.aborted) again();
  }
  signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  document.addEventListener("visibilitychange", () => document.hidden || run(), { signal });
  run();
  return run;
}
