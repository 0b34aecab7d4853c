// MCP servers, with the `openai` package and the `ai` package's providers.

import assert from "node:assert/strict";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenResponses } from "@ai-sdk/open-responses";
import { APICallError, generateText, streamText } from "ai";
import { client, each, key, offeringUrl, url } from "./setup.mjs";

const notebook = {
  type: "mcp",
  server_label: "notebook",
  server_url: process.env.MCP_URL,
  authorization: process.env.MCP_TOKEN,
  require_approval: "never",
  allowed_tools: ["add", "fail"],
};
const asking = { ...notebook, require_approval: "always" };
const ask = "add 4 and 4";

async function finished(request, stream) {
  const made = await client.responses.create({ ...request, stream });
  if (!stream) return made;
  const events = [];
  for await (const event of made) events.push(event);
  return events.at(-1).response;
}

const ofKind = (response, kind) => response.output.filter((item) => item.type === kind);

for (const stream of [false, true]) {
  const way = stream ? "in a stream" : "in one piece";

  each(`openai: a call of an MCP server ${way}`, async (model) => {
    const response = await finished({ model, input: ask, tools: [notebook] }, stream);
    assert.equal(ofKind(response, "mcp_list_tools").length, 1);
    assert.deepEqual(ofKind(response, "mcp_call").map((call) => [call.name, call.output]), [["add", "8"]]);
  });

  each(`openai: a failure ${way}`, async (model) => {
    const [call] = ofKind(await finished({ model, input: "fail now", tools: [notebook] }, stream), "mcp_call");
    assert.deepEqual([call.status, call.error.content[0].text], ["failed", "the notebook is locked"]);
  });

  each(`openai: an approval ${way}`, async (model) => {
    const first = await finished({ model, input: ask, tools: [asking] }, stream);
    const [asked] = ofKind(first, "mcp_approval_request");
    const yes = { type: "mcp_approval_response", approval_request_id: asked.id, approve: true };
    const second = await finished({ model, input: [yes], tools: [asking], previous_response_id: first.id }, stream);
    const calls = ofKind(second, "mcp_call").map((call) => [call.approval_request_id, call.output]);
    assert.deepEqual(calls, [[asked.id, "8"]]);
  });
}

each("openai: the stream helper follows", async (model) => {
  const response = await client.responses.stream({ model, input: ask, tools: [notebook] }).finalResponse();
  assert.match(response.output_text, /8/);
  assert.equal(ofKind(response, "mcp_call").length, 1);
});

const openai = createOpenAI({ baseURL: url, apiKey: key });
const mcp = (requireApproval) =>
  openai.tools.mcp({
    serverLabel: "notebook",
    serverUrl: process.env.MCP_URL,
    authorization: process.env.MCP_TOKEN,
    allowedTools: ["add", "fail"],
    requireApproval,
  });

/** One request; all that it became. */
async function run(settings, stream) {
  if (!stream) {
    const { text, content, response, warnings } = await generateText(settings);
    return { text, content, messages: response.messages, warnings };
  }
  const errors = [];
  const result = streamText({ ...settings, onError: ({ error }) => errors.push(error) });
  await result.consumeStream();
  assert.deepEqual(errors, []);
  const { messages } = await result.response;
  return { text: await result.text, content: await result.content, messages, warnings: await result.warnings };
}

const results = (content) => content.filter((part) => part.type === "tool-result").map((part) => part.output);

/** A call that has to be approved, and what comes after the answer. */
async function answered(settings, approved, stream) {
  const messages = [{ role: "user", content: ask }];
  const first = await run({ ...settings, messages }, stream);
  const [asked] = first.content.filter((part) => part.type === "tool-approval-request");
  // Without `providerExecuted` the package keeps the answer to itself.
  const answer = { type: "tool-approval-response", approvalId: asked.approvalId, approved, providerExecuted: true };
  return run({ ...settings, messages: [...messages, ...first.messages, { role: "tool", content: [answer] }] }, stream);
}

// It sends the answer without the request, which is then nowhere.
each("@ai-sdk/openai cannot approve without a store", async (model) => {
  const settings = {
    model: openai.responses(model),
    tools: { mcp: mcp("always") },
    maxRetries: 0,
    providerOptions: { openai: { store: false } },
  };
  const error = await answered(settings, true, false).catch((e) => e);
  assert.ok(APICallError.isInstance(error), String(error));
  assert.deepEqual([error.statusCode, error.data.error.code], [400, "approval_request_not_found"]);
});

for (const stream of [false, true]) {
  const way = stream ? "streams" : "generates";

  each(`@ai-sdk/openai ${way} with an MCP server`, async (model) => {
    const settings = { model: openai.responses(model), prompt: ask, tools: { mcp: mcp("never") }, maxRetries: 0 };
    const { text, content, messages, warnings } = await run(settings, stream);
    assert.match(text, /8/);
    const calls = results(content).map((one) => [one.serverLabel, one.name, one.output]);
    assert.deepEqual(calls, [["notebook", "add", "8"]]);
    assert.deepEqual(warnings ?? [], []);
    const more = [{ role: "user", content: ask }, ...messages, { role: "user", content: "Thank you" }];
    const { prompt: _, ...later } = settings;
    assert.match((await run({ ...later, messages: more }, stream)).text, /Thank you/);
  });

  each(`@ai-sdk/openai ${way} with a failing MCP tool`, async (model) => {
    const settings = { model: openai.responses(model), prompt: "fail now", tools: { mcp: mcp("never") }, maxRetries: 0 };
    const [result] = results((await run(settings, stream)).content);
    assert.equal(result.error.content[0].text, "the notebook is locked");
  });

  for (const approved of [true, false]) {
    each(`@ai-sdk/openai ${way} after a ${approved ? "yes" : "no"}`, async (model) => {
      const settings = { model: openai.responses(model), tools: { mcp: mcp("always") }, maxRetries: 0 };
      const second = await answered(settings, approved, stream);
      assert.deepEqual(results(second.content).map((one) => one.output), approved ? ["8"] : []);
      assert.match(second.text, approved ? /8/ : /not approve/);
    });
  }

  each(`@ai-sdk/open-responses ${way} with MCP tools of the operator`, async (model) => {
    const language = createOpenResponses({ name: "local", url: `${offeringUrl}/responses`, apiKey: key });
    const { text } = await run({ model: language(model), prompt: ask, maxRetries: 0 }, stream);
    assert.match(text, /8/);
  });

  each(`@ai-sdk/open-responses ${way} without an MCP tool, and says so`, async (model) => {
    const language = createOpenResponses({ name: "local", url: `${url}/responses`, apiKey: key });
    const settings = { model: language(model), prompt: ask, tools: { mcp: mcp("never") }, maxRetries: 0 };
    const { text, warnings } = await run(settings, stream);
    assert.match(text, /You said/);
    assert.match(warnings[0].feature, /openai\.mcp/);
  });
}
