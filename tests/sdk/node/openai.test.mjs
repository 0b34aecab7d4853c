// The `openai` package.

import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { zodResponsesFunction, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import { client, each, url } from "./setup.mjs";

const Person = z.object({ name: z.string(), age: z.number().int() });
const weather = zodResponsesFunction({
  name: "get_weather",
  description: "Weather in a city",
  parameters: z.object({ city: z.string() }),
});
const ask = "What is the weather in Oslo";

async function all(stream) {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
}

/** Events of a stream are numbered without a gap, and its end repeats the items. */
function check(events) {
  assert.deepEqual(events.map((event) => event.sequence_number), events.map((_, n) => n));
  const items = events.filter((event) => event.type === "response.output_item.done").map((event) => event.item);
  const final = events.at(-1).response;
  assert.deepEqual(final.output, items);
  return final;
}

function onlyCall(response) {
  const calls = response.output.filter((item) => item.type === "function_call");
  assert.equal(calls.length, 1);
  assert.deepEqual([calls[0].name, JSON.parse(calls[0].arguments)], ["get_weather", { city: "Oslo" }]);
  return calls[0];
}

each("create answers in text", async (model) => {
  const response = await client.responses.create({ model, input: "Good morning", instructions: "Be brief." });
  assert.match(response.output_text, /Good morning.*Be brief\./);
  assert.equal(response.status, "completed");
  assert.ok(response._request_id);
});

each("a stream's deltas make the text", async (model) => {
  const events = await all(await client.responses.create({ model, input: "Good morning", stream: true }));
  const final = check(events);
  const deltas = events.filter((event) => event.type === "response.output_text.delta").map((event) => event.delta);
  assert.ok(deltas.length > 1);
  assert.equal(deltas.join(""), final.output[0].content[0].text);
  assert.equal(events.at(-1).type, "response.completed");
});

each("the stream helper gives typed events and the final response", async (model) => {
  const stream = client.responses.stream({ model, input: "Good morning" });
  let snapshot = "";
  stream.on("response.output_text.delta", (event) => (snapshot = event.snapshot));
  const final = await stream.finalResponse();
  assert.match(final.output_text, /Good morning/);
  assert.equal(snapshot, final.output_text);
});

each("parse gives an object", async (model) => {
  const text = { format: zodTextFormat(Person, "person") };
  const input = "This is Ada, 36 years old";
  const response = await client.responses.parse({ model, input, text });
  assert.deepEqual(response.output_parsed, { name: "Ada", age: 36 });
  const streamed = await client.responses.stream({ model, input, text }).finalResponse();
  assert.deepEqual(streamed.output_parsed, response.output_parsed);
});

each("a call and its output by previous_response_id", async (model) => {
  const first = await client.responses.parse({ model, input: ask, tools: [weather] });
  const call = onlyCall(first);
  assert.deepEqual(call.parsed_arguments, { city: "Oslo" });
  const second = await client.responses.create({
    model,
    input: [{ type: "function_call_output", call_id: call.call_id, output: "18 degrees" }],
    previous_response_id: first.id,
    tools: [weather],
  });
  assert.match(second.output_text, /18 degrees/);
});

each("streamed arguments, and their output by hand", async (model) => {
  const input = [{ role: "user", content: ask }];
  const events = await all(client.responses.stream({ model, input, tools: [weather], store: false }));
  const final = check(events);
  const call = onlyCall(final);
  const deltas = events.filter((event) => event.type === "response.function_call_arguments.delta");
  assert.equal(deltas.map((event) => event.delta).join(""), call.arguments);
  input.push(...final.output, { type: "function_call_output", call_id: call.call_id, output: "18 degrees" });
  const second = await client.responses.create({ model, input, tools: [weather], store: false });
  assert.match(second.output_text, /18 degrees/);
});

each("a chain remembers, and is there to be retrieved", async (model) => {
  const first = await client.responses.create({ model, input: "My name is Ada." });
  const second = await client.responses.create({ model, input: "And again", previous_response_id: first.id });
  assert.match(second.output_text, /My name is Ada\./);
  const { output_text, ...stored } = await client.responses.retrieve(second.id);
  assert.equal(output_text, second.output_text);
  const { output_text: _, ...made } = second;
  assert.deepEqual(stored, made);
});

each("a thought goes back without a store", async (model) => {
  const settings = {
    model,
    store: false,
    reasoning: { effort: "medium", summary: "auto" },
    include: ["reasoning.encrypted_content"],
  };
  const input = [{ role: "user", content: "My name is Ada." }];
  const first = await client.responses.stream({ ...settings, input }).finalResponse();
  assert.ok(first.output.some((item) => item.type === "reasoning" && item.encrypted_content));
  input.push(...first.output, { role: "user", content: "And again" });
  const second = await client.responses.create({ ...settings, input });
  assert.match(second.output_text, /that came back/);
});

each("the stream helper reads thoughts, with and without a summary", async (model) => {
  for (const reasoning of [{ effort: "medium" }, { effort: "medium", summary: "auto" }]) {
    const stream = client.responses.stream({ model, input: "Good morning", reasoning });
    const deltas = [];
    stream.on("event", (event) => /reasoning.*\.delta$/.test(event.type) && deltas.push(event.delta));
    const { output, output_text } = await stream.finalResponse();
    const parts = output.flatMap((item) => (item.type === "reasoning" ? [...item.summary, ...(item.content ?? [])] : []));
    assert.equal(deltas.join(""), parts.map((part) => part.text).join(""));
    assert.match(output_text, /Good morning/);
  }
});

each("a rate limit says when to come back", async (model) => {
  for (const stream of [false, true]) {
    const request = { model: `${model}-error-429`, input: "Hello", stream };
    const error = await client.responses.create(request).catch((e) => e);
    assert.ok(error instanceof OpenAI.RateLimitError, String(error));
    assert.ok(Number(error.headers.get("retry-after")) > 0);
    assert.equal(error.code, "rate_limit_exceeded");
  }
});

each("a failure inside a stream is an APIError", async (model) => {
  for (const ending of ["fail", "cut"]) {
    const request = { model: `${model}-${ending}`, input: "Good morning to you all", stream: true };
    const stream = await client.responses.create(request);
    const error = await all(stream).catch((e) => e);
    assert.ok(error instanceof OpenAI.APIError, String(error));
    assert.ok(error.code && error.message);
  }
});

each("input items page by themselves, and a deletion ends it all", async (model) => {
  const texts = ["one", "two", "three", "four", "five"];
  const input = texts.map((content) => ({ role: "user", content }));
  const { id } = await client.responses.create({ model, input });
  const seen = await all(client.responses.inputItems.list(id, { order: "asc", limit: 2 }));
  assert.deepEqual(seen.map((item) => item.content[0].text), texts);
  const newest = await client.responses.inputItems.list(id, { limit: 1 });
  assert.deepEqual([newest.data[0].id, newest.has_more], [seen.at(-1).id, true]);
  await client.responses.delete(id);
  for (const call of ["retrieve", "delete"]) {
    const error = await client.responses[call](id).catch((e) => e);
    assert.ok(error instanceof OpenAI.NotFoundError, String(error));
  }
});

test("listed models can be had by their names", async () => {
  const models = await all(client.models.list());
  for (const id of ["demo", "openai-chat/scripted"]) {
    assert.deepEqual(await client.models.retrieve(id), models.find((model) => model.id === id));
  }
  const error = await client.models.retrieve("nobody/nothing").catch((e) => e);
  assert.ok(error instanceof OpenAI.NotFoundError, String(error));
});

each("counted tokens are those of the answer, or an estimate", async (model) => {
  const request = { model, input: "How much is this?" };
  const { data, response } = await client.responses.inputTokens.count(request).withResponse();
  assert.equal(data.object, "response.input_tokens");
  if (response.headers.get("openresponses-token-count") === "provider") {
    assert.equal(data.input_tokens, (await client.responses.create(request)).usage.input_tokens);
  } else {
    assert.ok(data.input_tokens > 3 && data.input_tokens < 30, String(data.input_tokens));
  }
});

test("bad requests name their field", async () => {
  const unknown = await client.responses.create({ model: "no-such-model", input: "Hello" }).catch((e) => e);
  assert.ok(unknown instanceof OpenAI.BadRequestError);
  assert.deepEqual([unknown.code, unknown.param], ["model_not_found", "model"]);
  const hot = await client.responses.create({ model: "demo", input: "Hello", temperature: 5 }).catch((e) => e);
  assert.deepEqual([hot.status, hot.param, hot.type], [400, "temperature", "invalid_request_error"]);
});

test("an unknown response is a NotFoundError", async () => {
  const error = await client.responses.retrieve("resp_" + "0".repeat(32)).catch((e) => e);
  assert.ok(error instanceof OpenAI.NotFoundError, String(error));
});

test("a wrong client key is an AuthenticationError", async () => {
  const stranger = new OpenAI({ baseURL: url, apiKey: "wrong", maxRetries: 0 });
  const error = await stranger.responses.create({ model: "demo", input: "Hello" }).catch((e) => e);
  assert.ok(error instanceof OpenAI.AuthenticationError, String(error));
  assert.equal(error.code, "invalid_api_key");
});
