// The `openai` package, for responses in the background.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import OpenAI from "openai";
import { client, each } from "./setup.mjs";

const prompt = "Please tell me a story that has at least ten words";

async function all(stream) {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
}

async function end(id) {
  for (let n = 0; n < 400; n++) {
    const response = await client.responses.retrieve(id);
    if (!["queued", "in_progress"].includes(response.status)) return response;
    await sleep(50);
  }
  assert.fail(`${id} does not end`);
}

/** Begins a stream and leaves at the first piece of text. */
async function begin(model) {
  const stream = await client.responses.create({ model: `${model}-slow`, input: prompt, background: true, stream: true });
  const seen = [];
  for await (const event of stream) {
    seen.push(event);
    if (event.type === "response.output_text.delta") break;
  }
  return { id: seen[0].response.id, seen, after: seen.at(-1).sequence_number };
}

/** A whole stream; returns its final response. */
function check(events) {
  assert.deepEqual(events.map((event) => event.sequence_number), events.map((_, n) => n));
  const final = events.at(-1).response;
  const deltas = events.filter((event) => event.type === "response.output_text.delta").map((event) => event.delta);
  assert.equal(deltas.join(""), final.output.at(-1).content[0].text);
  return final;
}

function plain({ output_text: _, ...response }) {
  return response;
}

each("a background response is polled", async (model) => {
  const queued = await client.responses.create({ model: `${model}-slow`, input: prompt, background: true });
  assert.deepEqual([queued.status, queued.background, queued.output], ["queued", true, []]);
  const done = await end(queued.id);
  assert.equal(done.status, "completed");
  assert.ok(done.output_text.includes(prompt));
});

each("a stream is resumed", async (model) => {
  const { id, seen, after } = await begin(model);
  const rest = await all(await client.responses.retrieve(id, { stream: true, starting_after: after }));
  const final = check([...seen, ...rest]);
  assert.equal(final.status, "completed");
  assert.deepEqual(plain(await client.responses.retrieve(id)), final);
  assert.deepEqual(await all(await client.responses.retrieve(id, { stream: true })), [...seen, ...rest]);
  const last = rest.at(-1).sequence_number;
  assert.deepEqual(await all(await client.responses.retrieve(id, { stream: true, starting_after: last })), []);
});

each("the stream helper takes it up", async (model) => {
  const { id, after } = await begin(model);
  const stream = client.responses.stream({ response_id: id, starting_after: after });
  const numbers = (await all(stream)).map((event) => event.sequence_number);
  assert.deepEqual(numbers, numbers.map((_, n) => after + 1 + n));
  const final = await stream.finalResponse();
  assert.equal(final.status, "completed");
  assert.ok(final.output_text.includes(prompt));
});

each("a cancelled response keeps its output, and its reader is told", async (model) => {
  const { id, seen, after } = await begin(model);
  const reader = await client.responses.retrieve(id, { stream: true, starting_after: after });
  const cancelled = await client.responses.cancel(id);
  assert.deepEqual([cancelled.status, cancelled.incomplete_details.reason], ["cancelled", "cancelled"]);
  const rest = await all(reader);
  assert.equal(rest.at(-1).type, "response.incomplete");
  assert.deepEqual(check([...seen, ...rest]), plain(cancelled));
  assert.deepEqual(await client.responses.cancel(id), cancelled);
});

each("what is running can be deleted", async (model) => {
  const { id } = await begin(model);
  await client.responses.delete(id);
  for (const call of ["retrieve", "cancel", "delete"]) {
    const error = await client.responses[call](id).catch((e) => e);
    assert.ok(error instanceof OpenAI.NotFoundError, String(error));
  }
});

test("what has no stream is a BadRequestError", async () => {
  const { id } = await client.responses.create({ model: "demo", input: "Hello" });
  const error = await client.responses.retrieve(id, { stream: true }).catch((e) => e);
  assert.ok(error instanceof OpenAI.BadRequestError);
  assert.equal(error.code, "response_not_streamed");
});
