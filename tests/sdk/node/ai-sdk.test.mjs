// The `ai` package with both of its providers for this API.

import assert from "node:assert/strict";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenResponses } from "@ai-sdk/open-responses";
import { APICallError, generateText, isStepCount, Output, streamText, tool } from "ai";
import { z } from "zod";
import { each, key, toolRuns, url } from "./setup.mjs";

const openai = createOpenAI({ baseURL: url, apiKey: key });
const openResponses = createOpenResponses({ name: "local", url: `${url}/responses`, apiKey: key });
const packages = {
  "@ai-sdk/openai": (model) => openai.responses(model),
  "@ai-sdk/open-responses": openResponses,
};

const weather = tool({
  description: "Weather in a city",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => `18 degrees in ${city}`,
});

for (const [name, language] of Object.entries(packages)) {
  each(`${name} generates text`, async (model) => {
    const settings = { model: language(model), maxRetries: 0 };
    const result = await generateText({ ...settings, system: "Be brief.", prompt: "Good morning" });
    assert.match(result.text, /Good morning/);
    assert.equal(result.finishReason, "stop");
    assert.deepEqual(result.warnings ?? [], []);
    assert.ok(result.usage.inputTokens > 0 && result.usage.outputTokens > 0);
  });

  each(`${name} streams text`, async (model) => {
    const result = streamText({ model: language(model), prompt: "Good morning", maxRetries: 0 });
    const pieces = [];
    for await (const piece of result.textStream) pieces.push(piece);
    assert.ok(pieces.length > 1);
    assert.match(pieces.join(""), /Good morning/);
    assert.equal(await result.finishReason, "stop");
  });

  each(`${name} runs tools over two steps`, async (model) => {
    const settings = { model: language(model), prompt: "What is the weather in Oslo", tools: { get_weather: weather } };
    const unary = await generateText({ ...settings, stopWhen: isStepCount(3), maxRetries: 0 });
    assert.deepEqual(unary.steps.map((step) => step.toolCalls.map((call) => call.input)), [[{ city: "Oslo" }], []]);
    assert.match(unary.text, /18 degrees in Oslo/);
    const streamed = streamText({ ...settings, stopWhen: isStepCount(3), maxRetries: 0 });
    assert.match(await streamed.text, /18 degrees in Oslo/);
  });

  each(`${name} gets the answer behind a tool of the server`, async (model) => {
    const tide = tool({ description: "Tides of a harbour", inputSchema: z.object({ city: z.string() }) });
    const settings = { model: language(model), prompt: "When is the tide in Oslo", tools: { tide_table: tide }, maxRetries: 0 };
    const streamed = streamText(settings);
    assert.match(await streamed.text, /high at noon/);
    if (name === "@ai-sdk/openai") {
      // It refuses a JSON answer with a result in it; docs/tool_dispatch.md says so.
      assert.equal(toolRuns((await streamed.response).id), 1);
    } else {
      // It does not tell the id of a stream.
      const unary = await generateText(settings);
      assert.match(unary.text, /high at noon/);
      assert.equal(toolRuns(unary.response.id), 1);
    }
  });

  each(`${name} gives objects`, async (model) => {
    const result = await generateText({
      model: language(model),
      prompt: "This is Ada, 36 years old",
      output: Output.object({ schema: z.object({ name: z.string(), age: z.number().int() }) }),
      maxRetries: 0,
    });
    assert.deepEqual(result.output, { name: "Ada", age: 36 });
  });

  each(`${name} shows errors`, async (model) => {
    const settings = { model: language(`${model}-error-429`), maxRetries: 0 };
    const error = await generateText({ ...settings, prompt: "Hello" }).catch((e) => e);
    assert.ok(APICallError.isInstance(error), String(error));
    assert.equal(error.statusCode, 429);
    assert.ok(error.isRetryable && Number(error.responseHeaders["retry-after"]) > 0);
    assert.match(error.message, /limit the rate|scripted error 429/);
  });

  each(`${name} shows a failure inside a stream`, async (model) => {
    const seen = [];
    const result = streamText({
      model: language(`${model}-fail`),
      prompt: "Good morning to you all",
      maxRetries: 0,
      onError: ({ error }) => seen.push(error),
    });
    await result.consumeStream();
    assert.ok(seen.length > 0);
  });
}

each("@ai-sdk/openai carries thoughts over steps without a store", async (model) => {
  const result = await generateText({
    model: openai.responses(model),
    prompt: "What is the weather in Oslo",
    tools: { get_weather: weather },
    stopWhen: isStepCount(3),
    maxRetries: 0,
    providerOptions: {
      openai: {
        store: false,
        forceReasoning: true,
        reasoningEffort: "medium",
        reasoningSummary: "auto",
        include: ["reasoning.encrypted_content"],
      },
    },
  });
  assert.match(result.text, /that came back/);
});

each("@ai-sdk/open-responses carries thoughts over steps", async (model) => {
  const result = await generateText({
    model: openResponses(model),
    prompt: "What is the weather in Oslo",
    tools: { get_weather: weather },
    stopWhen: isStepCount(3),
    maxRetries: 0,
    providerOptions: { local: { reasoningEffort: "medium", reasoningSummary: "auto" } },
  });
  assert.equal(result.steps.length, 2);
  assert.ok(result.steps[0].reasoningText);
});

each("@ai-sdk/open-responses streams thoughts", async (model, provider) => {
  // The others show their thinking only when they are asked to.
  const raw = ["openai-chat", "ollama"].includes(provider);
  for (const reasoningSummary of raw ? ["auto", undefined] : ["auto"]) {
    const result = streamText({
      model: openResponses(model),
      prompt: "Good morning",
      maxRetries: 0,
      providerOptions: { local: { reasoningEffort: "medium", reasoningSummary } },
    });
    const deltas = [];
    for await (const part of result.fullStream) if (part.type === "reasoning-delta") deltas.push(part.text);
    assert.ok(deltas.join("").length > 0);
    assert.match(await result.text, /Good morning/);
  }
});
