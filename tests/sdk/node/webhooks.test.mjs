// Events of background responses, as `webhooks.unwrap` of the `openai` package reads them.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import OpenAI from "openai";
import { url } from "./setup.mjs";

const client = new OpenAI({ baseURL: url, apiKey: process.env.HOOKED_KEY_NODE, maxRetries: 0 });
const secret = process.env.HOOK_SECRET;
const told = new Map();
let news = () => {};

const server = createServer((request, answer) => {
  let body = "";
  request.setEncoding("utf8");
  request.on("data", (piece) => (body += piece));
  request.on("end", () => {
    told.set(JSON.parse(body).data.id, { headers: request.headers, body });
    answer.writeHead(204).end();
    news();
  });
});

before(() => new Promise((listening) => server.listen(Number(process.env.HOOK_PORT_NODE), "127.0.0.1", listening)));
after(() => {
  server.closeAllConnections();
  server.close();
});

async function until(id) {
  while (!told.has(id)) await new Promise((resolve) => (news = resolve));
  return told.get(id);
}

test("an event is unwrapped", { timeout: 30_000 }, async () => {
  const queued = await client.responses.create({ model: "demo-slow", input: "Hello", background: true });
  const { headers, body } = await until(queued.id);
  const event = await client.webhooks.unwrap(body, headers, secret);
  const { type, object, id, data } = event;
  assert.deepEqual({ type, object, id, data }, {
    type: "response.completed",
    object: "event",
    id: headers["webhook-id"],
    data: { id: queued.id },
  });
  assert.match((await client.responses.retrieve(data.id)).output_text, /Hello/);
  const other = body.replace("completed", "cancelled");
  await assert.rejects(() => client.webhooks.unwrap(other, headers, secret), OpenAI.InvalidWebhookSignatureError);
});
