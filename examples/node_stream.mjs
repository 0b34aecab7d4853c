// A streaming client without any package: fetch, and the frames of server-sent events.
//
//   node examples/node_stream.mjs [http://127.0.0.1:4000]
//
// The model is `demo`, which needs no key; MODEL=claude-… uses another one. A server with client keys wants one in
// OPEN_RESPONSES_KEY.

const url = process.argv[2] ?? "http://127.0.0.1:4000";
const model = process.env.MODEL ?? "demo";

/** Yields the events of a stream as objects. A frame may arrive in pieces, or several at once. */
async function* events(response) {
  let rest = "";
  for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
    const frames = (rest + piece).split("\n\n");
    rest = frames.pop();
    for (const frame of frames) {
      const lines = frame.split("\n").filter((line) => line.startsWith("data: "));
      const data = lines.map((line) => line.slice("data: ".length)).join("\n");
      if (data === "[DONE]") return;
      // A frame without data is a comment that keeps the connection open.
      if (data) yield JSON.parse(data);
    }
  }
}

async function create(request) {
  const response = await fetch(`${url}/v1/responses`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      authorization: `Bearer ${process.env.OPEN_RESPONSES_KEY ?? "none"}`,
    },
    body: JSON.stringify({ ...request, stream: true }),
  });
  // What is wrong before the stream begins is an ordinary HTTP error.
  if (!response.ok) throw new Error((await response.json()).error.message);
  return events(response);
}

let last = -1;
let finished;
for await (const event of await create({ model, input: "Tell me a story." })) {
  if (event.sequence_number !== last + 1) throw new Error(`event ${last + 1} is missing`);
  last = event.sequence_number;
  if (event.type === "response.output_text.delta") process.stdout.write(event.delta);
  // Later failures come inside the stream.
  if (event.type === "error") throw new Error(event.error.message);
  if (event.type === "response.completed") finished = event.response;
}
console.log(`\n(${last + 1} events, ${finished.usage.total_tokens} tokens)`);

// The server remembers: name the response that goes before.
for await (const event of await create({ model, input: "And then?", previous_response_id: finished.id })) {
  if (event.type === "response.output_text.delta") process.stdout.write(event.delta);
}
console.log();
