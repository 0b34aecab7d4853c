// LangChain: `ChatOpenAI` of `@langchain/openai` on this API.

import assert from "node:assert/strict";
import { HumanMessage, ToolMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { ChatOpenAI } from "@langchain/openai";
import OpenAI from "openai";
import { z } from "zod";
import { each, key, url } from "./setup.mjs";

const ask = "What is the weather in Oslo and Rome";
// Its own `reasoning` goes to models with a name of OpenAI's only.
const effort = { modelKwargs: { reasoning: { effort: "medium" } } };
const summary = { modelKwargs: { reasoning: { effort: "medium", summary: "auto" } } };
const weather = tool(async ({ city }) => `18 degrees in ${city}`, {
  name: "get_weather",
  description: "Weather in a city",
  schema: z.object({ city: z.string() }),
});

function chat(model, settings) {
  const configuration = { baseURL: url };
  return new ChatOpenAI({ model, apiKey: key, configuration, useResponsesApi: true, maxRetries: 0, ...settings });
}

/** A message, or the chunks of its stream joined as LangChain joins them. */
async function say(model, messages, stream, { tools = [], ...settings } = {}) {
  const bound = tools.length ? chat(model, settings).bindTools(tools) : chat(model, settings);
  if (!stream) return bound.invoke(messages);
  let whole;
  let chunks = 0;
  for await (const chunk of await bound.stream(messages)) {
    whole = whole ? whole.concat(chunk) : chunk;
    chunks += 1;
  }
  assert.ok(chunks > 2);
  return whole;
}

async function answered(message) {
  return Promise.all(message.tool_calls.map(async (call) => weather.invoke({ ...call, type: "tool_call" })));
}

const thought = (message) => (message.additional_kwargs.reasoning?.summary ?? []).map((part) => part.text).join("");

for (const stream of [false, true]) {
  const way = stream ? "in a stream" : "in one piece";

  each(`LangChain answers in text ${way}`, async (model) => {
    const message = await say(model, "Good morning", stream);
    assert.match(message.text, /Good morning/);
    assert.equal(message.response_metadata.status, "completed");
    assert.ok(message.usage_metadata.input_tokens > 0 && message.usage_metadata.output_tokens > 0);
  });

  each(`LangChain calls tools ${way}`, async (model) => {
    for (const settings of [{}, effort, summary]) {
      const asked = new HumanMessage(ask);
      const first = await say(model, [asked], stream, { tools: [weather], ...settings });
      assert.deepEqual(first.tool_calls.map((call) => call.args), [{ city: "Oslo" }, { city: "Rome" }]);
      const messages = [asked, first, ...(await answered(first))];
      assert.ok(messages.at(-1) instanceof ToolMessage);
      const second = await say(model, messages, stream, { tools: [weather], ...settings });
      assert.match(second.text, /18 degrees in Oslo.*18 degrees in Rome/s);
    }
  });

  each(`LangChain remembers ${way}`, async (model) => {
    const asked = new HumanMessage("My name is Ada.");
    const first = await say(model, [asked], stream, summary);
    const by = await say(model, [asked, first, new HumanMessage("And again")], stream, summary);
    assert.match(by.text, /My name is Ada\./);
    const bound = chat(model).bindTools([], { previous_response_id: first.response_metadata.id });
    assert.match((await bound.invoke("And again")).text, /My name is Ada\./);
  });

  each(`LangChain shows thoughts ${way}`, async (model) => {
    const message = await say(model, "Good morning", stream, summary);
    assert.ok(thought(message));
    assert.match(message.text, /Good morning/);
    assert.match((await say(model, "Good morning", stream, effort)).text, /Good morning/);
  });

  each(`LangChain carries thoughts ${way}`, async (model) => {
    const include = ["reasoning.encrypted_content"];
    const unstored = { zdrEnabled: true, modelKwargs: { ...summary.modelKwargs, include } };
    for (const settings of [summary, unstored]) {
      const asked = new HumanMessage(ask);
      const first = await say(model, [asked], stream, { tools: [weather], ...settings });
      const messages = [asked, first, ...(await answered(first))];
      const second = await say(model, messages, stream, { tools: [weather], ...settings });
      assert.match(second.text, /that came back/);
    }
  });

  each(`LangChain's errors ${way}`, async (model) => {
    const limited = await say(`${model}-error-429`, "Hello", stream).catch((e) => e);
    assert.equal(limited.status, 429, String(limited));
    assert.equal(limited.code, "rate_limit_exceeded");
    const hot = await say(model, "Hello", stream, { temperature: 5 }).catch((e) => e);
    assert.deepEqual([hot.status, hot.param], [400, "temperature"], String(hot));
    for (const ending of ["fail", "cut"]) {
      const failed = await say(`${model}-${ending}`, "Good morning to you all", stream).catch((e) => e);
      assert.ok(failed instanceof Error && failed.message, String(failed));
    }
  });
}

each("LangChain gives objects", async (model) => {
  const schema = z.object({ name: z.string(), age: z.number() });
  const person = chat(model).withStructuredOutput(schema, { method: "jsonSchema", name: "person" });
  assert.deepEqual(await person.invoke("This is Ada, 36 years old"), { name: "Ada", age: 36 });
});
