// The `@openai/agents` package: its own loop of tools, sessions by previousResponseId, and MCP servers.

import assert from "node:assert/strict";
import { Agent, hostedMcpTool, OpenAIResponsesModel, Runner, tool } from "@openai/agents";
import OpenAI from "openai";
import { z } from "zod";
import { client, each } from "./setup.mjs";

// Traces would go to OpenAI.
const runner = new Runner({ tracingDisabled: true });
const ask = "What is the weather in Oslo and Rome";
const thoughtful = { reasoning: { effort: "medium" } };
const summarized = { reasoning: { effort: "medium", summary: "auto" } };

const weather = tool({
  name: "get_weather",
  description: "Weather in a city",
  parameters: z.object({ city: z.string() }),
  execute: async ({ city }) => `18 degrees in ${city}`,
});

/** The result of a run; what its stream said is its output. */
async function run(model, input, stream, { tools = [], settings = {}, outputType, ...options } = {}) {
  const language = new OpenAIResponsesModel(client, model);
  const agent = new Agent({ name: "tester", model: language, tools, modelSettings: settings, outputType });
  const result = await runner.run(agent, input, { ...options, stream });
  result.thinking = "";
  if (!stream) return result;
  let text = "";
  for await (const event of result) {
    if (event.type !== "raw_model_stream_event") continue;
    if (event.data.type === "output_text_delta") text += event.data.delta;
    const raw = event.data.type === "model" ? event.data.event : undefined;
    if (/reasoning.*\.delta$/.test(raw?.type ?? "")) result.thinking += raw.delta;
  }
  await result.completed;
  if (!outputType) assert.ok(text.endsWith(result.finalOutput));
  return result;
}

/** Texts of the reasoning items of a run: summaries and raw traces. */
function thoughts(result) {
  const items = result.newItems.filter((item) => item.type === "reasoning_item").map((item) => item.rawItem);
  const join = (parts) => parts.map((part) => part.text).join("");
  return {
    summary: join(items.flatMap((item) => item.content)),
    raw: join(items.flatMap((item) => item.providerData?.content ?? [])),
  };
}

for (const stream of [false, true]) {
  const way = stream ? "in a stream" : "in one piece";

  each(`an agent answers ${way}`, async (model) => {
    const result = await run(model, "Good morning", stream);
    assert.match(result.finalOutput, /Good morning/);
    assert.ok(result.state.usage.outputTokens > 0);
  });

  for (const [kind, settings] of Object.entries({ plain: {}, thoughtful, summarized })) {
    each(`an agent runs its tools ${way} (${kind})`, async (model) => {
      const result = await run(model, ask, stream, { tools: [weather], settings });
      assert.match(result.finalOutput, /18 degrees in Oslo.*18 degrees in Rome/s);
      assert.equal(result.rawResponses.length, 2);
    });
  }

  each(`an agent goes on by previousResponseId ${way}`, async (model) => {
    const first = await run(model, ask, stream, { tools: [weather] });
    const options = { tools: [weather], previousResponseId: first.lastResponseId };
    const second = await run(model, "Thank you", stream, options);
    assert.match(second.finalOutput, /Thank you.*What is the weather/s);
  });

  each(`an agent goes on from its items ${way}`, async (model) => {
    const first = await run(model, ask, stream, { tools: [weather], settings: summarized });
    const input = [...first.history, { role: "user", content: "Thank you" }];
    const second = await run(model, input, stream, { tools: [weather], settings: summarized });
    assert.match(second.finalOutput, /Thank you.*What is the weather/s);
  });

  each(`an agent shows its thoughts ${way}`, async (model) => {
    const result = await run(model, "Good morning", stream, { settings: summarized });
    const { summary, raw } = thoughts(result);
    assert.ok(summary && !raw);
    if (stream) assert.equal(result.thinking, summary);
  });

  each(`an agent shows thoughts without a summary ${way}`, async (model, provider) => {
    const result = await run(model, "Good morning", stream, { settings: thoughtful });
    assert.match(result.finalOutput, /Good morning/);
    const { summary, raw } = thoughts(result);
    if (["openai-chat", "ollama"].includes(provider)) assert.ok(raw && !summary, JSON.stringify(result.newItems));
    if (stream) assert.equal(result.thinking, summary + raw);
  });

  each(`an agent's thoughts go back ${way}`, async (model) => {
    const result = await run(model, ask, stream, { tools: [weather], settings: summarized });
    assert.match(result.finalOutput, /that came back/);
  });

  each(`an agent's thoughts go back without a store ${way}`, async (model) => {
    const include = ["reasoning.encrypted_content"];
    const settings = { ...summarized, store: false, providerData: { include } };
    const result = await run(model, ask, stream, { tools: [weather], settings });
    assert.match(result.finalOutput, /that came back/);
  });

  each(`an agent gives objects ${way}`, async (model) => {
    const outputType = z.object({ name: z.string(), age: z.number() });
    const result = await run(model, "This is Ada, 36 years old", stream, { outputType });
    assert.deepEqual(result.finalOutput, { name: "Ada", age: 36 });
  });

  each(`an agent's errors ${way}`, async (model) => {
    const limited = await run(`${model}-error-429`, "Hello", stream).catch((e) => e);
    assert.ok(limited instanceof OpenAI.RateLimitError, String(limited));
    assert.equal(limited.code, "rate_limit_exceeded");
    const hot = await run(model, "Hello", stream, { settings: { temperature: 5 } }).catch((e) => e);
    assert.ok(hot instanceof OpenAI.BadRequestError, String(hot));
    assert.equal(hot.param, "temperature");
    for (const ending of ["fail", "cut"]) {
      const failed = await run(`${model}-${ending}`, "Good morning to you all", stream).catch((e) => e);
      assert.ok(failed instanceof Error && failed.message, String(failed));
    }
  });

  const notebook = {
    serverLabel: "notebook",
    serverUrl: process.env.MCP_URL,
    authorization: process.env.MCP_TOKEN,
    allowedTools: ["add"],
  };

  each(`an agent has a tool of an MCP server ${way}`, async (model) => {
    const tools = [hostedMcpTool(notebook)];
    const result = await run(model, "add 4 and 4", stream, { tools });
    assert.match(result.finalOutput, /8/);
    assert.equal(result.rawResponses.length, 1);
    const input = [...result.history, { role: "user", content: "Thank you" }];
    assert.match((await run(model, input, stream, { tools })).finalOutput, /Thank you/);
  });

  each(`an agent approves a call of an MCP server ${way}`, async (model) => {
    const asked = [];
    const onApproval = async (_, request) => {
      asked.push(request.rawItem.name);
      return { approve: true };
    };
    const tools = [hostedMcpTool({ ...notebook, requireApproval: "always", onApproval })];
    const result = await run(model, "add 4 and 4", stream, { tools });
    assert.deepEqual(asked, ["add"]);
    assert.match(result.finalOutput, /8/);
  });
}
