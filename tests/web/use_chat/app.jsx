import { createElement as h, useState } from "react";
import { createRoot } from "react-dom/client";
import { useChat } from "@ai-sdk/react";
import { DefaultChatTransport } from "ai";

function Part({ part }) {
  if (part.type === "text") return h("p", { className: "text" }, part.text);
  if (part.type === "reasoning") return h("p", { className: "reasoning" }, part.text);
  if (part.type.startsWith("tool-")) return h("pre", { className: "tool" }, JSON.stringify([part.type, part.state, part.input, part.output ?? part.errorText]));
  return null;
}

function Chat() {
  const { messages, sendMessage, regenerate, stop, status, error } = useChat({ transport: new DefaultChatTransport({ api: "/api/chat/ui" }) });
  globalThis.chat = { messages, sendMessage, regenerate, stop, status, error };
  return h("main", { id: status }, messages.map((message) => h("article", { key: message.id, className: message.role },
    message.parts.map((part, at) => h(Part, { key: at, part })))), error ? h("p", { id: "error" }, error.message) : null);
}

createRoot(document.getElementById("root")).render(h(Chat));
