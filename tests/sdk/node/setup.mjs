// One client for the server under test, and the providers that every test is run against.

import { readFileSync } from "node:fs";
import { test } from "node:test";
import OpenAI from "openai";

export const url = process.env.SERVER_URL + "/v1";
export const key = process.env.SERVER_KEY;
export const client = new OpenAI({ baseURL: url, apiKey: key, maxRetries: 0 });

// A server that offers the tools of an MCP server to every request.
export const offeringUrl = process.env.SERVER_URL_OFFERING + "/v1";

// A provider and a model that its adapter knows; endings such as `-error-429` ask the upstream for trouble.
const models = {
  demo: "demo",
  "openai-responses": "openai-responses/gpt-5.1",
  "openai-chat": "openai-chat/scripted",
  anthropic: "anthropic/claude-opus-4-6",
  gemini: "gemini/gemini-3-flash",
  ollama: "ollama/qwen3",
};

/** How often the tool of the server was run for a response, by its own count. */
export function toolRuns(id) {
  return readFileSync(process.env.TOOL_RUNS, "utf8").split("\n").filter((line) => line === id).length;
}

/** A test on every provider. */
export function each(name, run) {
  for (const [provider, model] of Object.entries(models)) {
    test(`${name} [${provider}]`, (t) => run(model, provider, t));
  }
}
