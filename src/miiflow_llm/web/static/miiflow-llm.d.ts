/** Types of `miiflow-llm.js`, the reader of miiflow_llm's chat service. */

export type Role = "system" | "user" | "assistant" | "tool";

export type Block =
  | { type: "text"; text: string }
  | { type: "image_url"; image_url: string; detail?: "auto" | "low" | "high" }
  | { type: "document"; document_url: string; document_type?: "pdf" | "text"; filename?: string }
  | { type: "audio"; data: string; format?: string }
  | { type: "reasoning"; text?: string; signature?: string; data?: string; id?: string; origin?: string }
  | ToolCall
  | { type: "tool_result"; id: string; content: Block[]; name?: string; is_error?: boolean };

export interface ToolCall {
  type: "tool_call";
  id: string;
  name: string;
  /** JSON as the model wrote it. */
  arguments?: string;
}

export interface Message {
  role: Role;
  content: string | Block[];
  tool_calls?: ToolCall[];
  tool_call_id?: string;
  name?: string;
  parts?: Block[];
  is_error?: boolean;
  /** What the model said instead of an answer. */
  refusal?: string;
  /** Ask for the prompt up to here to be cached, where the provider has such marks. */
  cache?: boolean | string;
}

export interface ChatRequest {
  messages: Message[];
  provider?: string;
  model?: string;
  temperature?: number;
  top_p?: number;
  top_k?: number;
  max_tokens?: number;
  stop?: string | string[];
  seed?: number;
  presence_penalty?: number;
  frequency_penalty?: number;
  tools?: { name: string; description?: string; parameters?: object; strict?: boolean }[];
  tool_choice?: string;
  parallel_tool_calls?: boolean;
  /** An effort, or a budget in tokens. */
  reasoning?: "off" | "minimal" | "low" | "medium" | "high" | "xhigh" | "max" | number;
  json_mode?: boolean;
  /** The name of a type that the service knows, or a JSON Schema that the answer must follow. */
  schema?: string | object;
}

/** What was not reported is absent, never 0. */
export interface Usage {
  prompt_tokens?: number;
  completion_tokens?: number;
  total_tokens?: number;
  cache_read_tokens?: number;
  cache_write_tokens?: number;
  reasoning_tokens?: number;
}

export type FinishReason = "stop" | "length" | "tool_calls" | "content_filter" | "unknown";

export interface ToolCallDelta {
  index: number;
  id?: string;
  name?: string;
  arguments?: string;
}

/** A piece of the answer; only what is new is set. */
export interface Piece {
  type?: undefined;
  seq: number;
  delta?: string;
  reasoning_delta?: string;
  refusal_delta?: string;
  tool_call_deltas?: ToolCallDelta[];
  citations?: unknown[];
  logprobs?: unknown[];
  partial_parse_deltas?: Change[];
  /** With a schema: the value so far, one object that grows from chunk to chunk. Copy it to keep a state of it. */
  partial_parse?: unknown;
}

/** A change of the value so far: at a path, a value that now stands there, or text that goes on. */
export type Change = { at: (string | number)[]; set: unknown } | { at: (string | number)[]; add: string };

/** The last chunk. Times in milliseconds. */
export interface Finished {
  type: "finished";
  seq: number;
  finish_reason: FinishReason;
  usage: Usage | null;
  /** The whole message, to be sent with the next request; of the service only, not of a stream relayed by hand. */
  message?: Message;
  /** With a schema: the value as it was last seen; `structured_output` is the whole. */
  partial_parse?: unknown;
  provider?: string;
  model?: string;
  latency_ms?: number | null;
  time_to_first_token_ms?: number | null;
  structured_output?: unknown;
}

export type Chunk = Piece | Finished;

export interface ChatAnswer {
  message: Message;
  content: string;
  tool_calls: ToolCall[];
  finish_reason: FinishReason;
  usage: Usage;
  provider: string;
  model: string;
  latency_ms?: number;
  time_to_first_token_ms?: number;
  citations?: unknown[];
  logprobs?: unknown[];
  structured_output?: unknown;
}

export type ErrorType =
  | "rate_limited" | "upstream_refused" | "context_length" | "model_not_found" | "invalid_request" | "content_filter"
  | "overloaded" | "unsupported_parameter" | "misconfigured" | "timeout" | "interrupted" | "schema_mismatch"
  | "upstream_failed" | "internal" | "invalid_body" | "too_large" | "not_json" | "unauthorized" | "not_found"
  | "wrong_method" | "network" | "http" | (string & {});

export class ChatError extends Error {
  type: ErrorType;
  /** The HTTP status; absent for a failure inside a stream. */
  status?: number;
  /** Seconds to wait, where the provider told. */
  retryAfter?: number;
  /** Where in the request the fault lies, such as `$.messages[0].role`. */
  place?: string;
  constructor(type: ErrorType, message: string, more?: { status?: number; retryAfter?: number; place?: string });
}

export interface Options {
  /** Where the service is; `chat` or `chat/stream` beside the page where not given. */
  url?: string;
  signal?: AbortSignal;
  headers?: Record<string, string>;
  fetch?: typeof fetch;
}

/** The whole answer. Rejects with `ChatError`, or with the signal's reason. */
export function chat(request: ChatRequest, options?: Options): Promise<ChatAnswer>;

/** The answer chunk by chunk, the last of type "finished". Throws `ChatError`, of type "interrupted" where it was cut. */
export function streamChat(request: ChatRequest, options?: Options): AsyncGenerator<Chunk, void, undefined>;
