// One step of the official JavaScript client: `node client.mjs ADDRESS STEP [ARGUMENTS as JSON]` prints its result as JSON.
import Replicate, { validateWebhook } from "replicate";

const [address, step, given] = process.argv.slice(2);
const input = JSON.parse(given ?? "{}");
const replicate = new Replicate({ auth: "anything", baseUrl: `${address}/v1`, useFileOutput: false });

async function collect(stream) {
  const events = [];
  for await (const { event, data } of stream) events.push({ event, data });
  return events;
}

async function failure(promise) {
  try {
    await promise;
    return null;
  } catch (error) {
    return { name: error.name, message: error.message, status: error.response?.status ?? null };
  }
}

const steps = {
  run: () => replicate.run("local/greet", { input }),
  poll: () => replicate.run("local/greet", { input, wait: { mode: "poll" } }),
  version: async () => {
    const model = await replicate.models.get("local", "greet");
    return replicate.run(`local/greet:${model.latest_version.id}`, { input });
  },
  short: () => replicate.run("local/gated", { input, wait: { mode: "block", timeout: 1 } }),
  gated: () => replicate.run("local/gated", { input }),
  list: () => replicate.run("local/tell", { input }),
  stream: () => collect(replicate.stream("local/tell", { input })),
  fail: () => failure(replicate.run("local/fail", { input })),
  missing: () => failure(replicate.predictions.get("nothing")),
  invalid: () => failure(replicate.run("local/greet", { input: { name: 7 } })),
  limited: () => failure(
    (async () => {
      for (let n = 0; n < 2; n += 1) await replicate.predictions.create({ model: "local/greet", input });
    })(),
  ),
  cancel: async () => {
    const prediction = await replicate.predictions.create({ model: "local/gated", input });
    await replicate.predictions.cancel(prediction.id);
    return (await replicate.wait(prediction)).status;
  },
  hooked: async () => {
    const { url: webhook, name } = input;
    const given = { model: "local/greet", input: { name }, webhook, webhook_events_filter: ["completed"] };
    return (await replicate.predictions.create(given)).id;
  },
  validate: async () => {
    const { key } = await replicate.webhooks.default.secret.get();
    const about = { id: input.id, timestamp: input.timestamp, signature: input.signature, secret: key };
    const valid = (body) => validateWebhook({ ...about, body });
    return [await valid(input.body), await valid(`${input.body} `)];
  },
  page: async () => {
    for (let n = 0; n < 101; n += 1) await replicate.predictions.create({ model: "local/greet", input });
    const sizes = [];
    for await (const page of replicate.paginate(replicate.predictions.list)) {
      sizes.push(page.length);
      if (sizes.length === 2) break;
    }
    return sizes[0];
  },
  search: async () => (await replicate.models.search("says hello")).results.map((model) => model.name),
  files: async () => {
    const hare = new File([input.content], "hare.txt", { type: "text/plain" });
    const file = await replicate.files.create(hare, { for: "a test" });
    const found = await replicate.files.get(file.id);
    const { results } = await replicate.files.list();
    const content = await (await fetch(file.urls.download)).text();
    const deleted = await replicate.files.delete(file.id);
    const gone = await failure(replicate.files.get(file.id));
    return { file, found, listed: results.map(({ id }) => id), content, deleted, gone };
  },
  turn: async () => {
    const content = Buffer.from(input.content);
    const files = { buffer: content, blob: new Blob([content]), data: `data:;base64,${content.toString("base64")}` };
    const turned = {};
    for (const [name, file] of Object.entries(files)) {
      const output = await replicate.run("local/turn", { input: { file } });
      turned[name] = await (await fetch(output, { redirect: "error" })).text();
    }
    return turned;
  },
  film: async () => {
    const links = await replicate.run("local/film", { input });
    return Promise.all(links.map(async (link) => (await fetch(link)).text()));
  },
  deployment: async () => {
    const prediction = await replicate.deployments.predictions.create("local", "greet", { input });
    return (await replicate.wait(prediction)).output;
  },
};

console.log(JSON.stringify(await steps[step]()));
