/** Reads answers of miiflow_llm's chat service: a request in, chunks or a whole answer out. */

export class ChatError extends Error {
  constructor(type, message, { status, retryAfter, place, signIn } = {}) {
    super(message);
    Object.assign(this, { name: "ChatError", type, status, retryAfter, place, signIn });
  }
}

const errorOf = (error, status) =>
  new ChatError(error.type, error.message, {
    status, retryAfter: error.retry_after, place: error.place, signIn: error.sign_in,
  });

/** The value with one change made to it. */
function grown(value, { at: [key, ...at], set, add }) {
  if (key === undefined) return add ? value + add : set;
  if (key != "__proto__") value[key] = grown(value[key], { at, set, add });
  return value;
}

const interrupted = () => new ChatError("interrupted", "The answer broke off before its end.");

async function post(url, body, accept, { signal, headers, fetch: send = fetch }) {
  let response;
  try {
    response = await send(url, {
      method: "POST",
      signal,
      headers: { ...headers, "content-type": "application/json", accept },
      body: JSON.stringify(body),
    });
  } catch (reason) {
    if (signal?.aborted) throw reason;
    throw new ChatError("network", "The service cannot be reached.");
  }
  if (response.ok) return response;
  const told = await response.json().catch(() => null);
  throw errorOf(told?.error?.type ? told.error : { type: "http", message: `HTTP ${response.status}` }, response.status);
}

export async function chat(request, { url = "chat", ...options } = {}) {
  const response = await post(url, request, "application/json", options);
  try {
    return await response.json();
  } catch (reason) {
    if (options.signal?.aborted) throw reason;
    throw interrupted();
  }
}

export async function* streamChat(request, { url = "chat/stream", ...options } = {}) {
  const response = await post(url, request, "text/event-stream, application/x-ndjson", options);
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let rest = "", seq = 0, parsed;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      const lines = (rest + decoder.decode(value, { stream: !done })).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        const text = line.replace(/^data: ?/, "").trim();
        if (text[0] != "{") continue; // blank, or a comment
        const frame = JSON.parse(text);
        if (frame.type == "heartbeat") continue;
        if (frame.seq != seq++) throw interrupted();
        if (frame.type == "error") throw errorOf(frame.error);
        for (const change of frame.partial_parse_deltas ?? []) parsed = grown(parsed, change);
        frame.partial_parse = parsed;
        yield frame;
        if (frame.type == "finished") return;
      }
      if (done) throw interrupted();
    }
  } catch (reason) {
    throw reason instanceof ChatError || options.signal?.aborted ? reason : interrupted();
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** The same service as an object: provider and model apart, and chunks that carry the text so far. */
export class LLMClient {
  constructor(baseUrl = "/api", options = {}) {
    this.baseUrl = baseUrl.replace(/\/+$/, "");
    this.options = options;
  }

  chat(provider, model, messages, options = {}) {
    return chat({ provider, model, messages }, { ...this.options, ...options, url: `${this.baseUrl}/chat` });
  }

  async *streamChat(provider, model, messages, options = {}) {
    const url = `${this.baseUrl}/chat/stream`;
    let content = "";
    for await (const chunk of streamChat({ provider, model, messages }, { ...this.options, ...options, url })) {
      if (chunk.restarted) content = "";
      content += chunk.delta ?? "";
      const said = chunk.type == "tool_finished" ? { result: chunk.content } : {};
      yield { ...chunk, ...said, delta: chunk.delta ?? "", content, finish_reason: chunk.finish_reason ?? null };
    }
  }
}
