// Reads streams that a server cuts in every way; prints one JSON line per case. Argument: the server's address.
import { chat, streamChat } from "../../src/miiflow_llm/web/static/miiflow-llm.js";

const base = process.argv[2];
const request = { messages: [{ role: "user", content: "Hello" }] };

async function outcome(path) {
  const found = { path, text: "", chunks: 0, finished: null, error: null, parsed: null, leaked: null };
  try {
    for await (const chunk of streamChat(request, { url: base + path })) {
      found.chunks++;
      found.text += chunk.delta ?? "";
      found.parsed = JSON.stringify(chunk.partial_parse);
      found.leaked ??= {}.polluted ?? chunk.partial_parse?.polluted;
      if (chunk.type) found.finished = chunk.finish_reason;
    }
  } catch (reason) {
    found.error = { type: reason.type ?? reason.name, status: reason.status, retryAfter: reason.retryAfter, place: reason.place };
  }
  return found;
}

const paths = process.argv.slice(3);
for (let at = 0; at < paths.length; at += 32)
  for (const found of await Promise.all(paths.slice(at, at + 32).map(outcome))) console.log(JSON.stringify(found));

const controller = new AbortController();
let name = "none";
try {
  for await (const _ of streamChat(request, { url: `${base}/hang`, signal: controller.signal })) controller.abort();
} catch (reason) {
  name = reason.name;
}
console.log(JSON.stringify({ aborted: name }));
console.log(JSON.stringify({ whole: await chat(request, { url: `${base}/whole` }) }));
