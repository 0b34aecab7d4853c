"""A response that does not need its client: leave its stream, take it up again, cancel another one.

    pip install openai
    python examples/background.py [http://127.0.0.1:4000]

The model is `demo-slow`, which needs no key; MODEL=claude-… uses another one. A server with client keys wants one in
OPEN_RESPONSES_KEY.
"""

import os
import sys

from openai import OpenAI

url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:4000"
client = OpenAI(base_url=f"{url}/v1", api_key=os.environ.get("OPEN_RESPONSES_KEY", "none"))
model = os.environ.get("MODEL", "demo-slow")

print("# A stream whose client goes away")
stream = client.responses.create(model=model, input="Tell me a long story.", background=True, stream=True)
for event in stream:
    if event.type == "response.created":
        id = event.response.id
    if event.type == "response.output_text.delta":
        print(event.delta, end="", flush=True)
        break
# All that a client has to remember.
last = event.sequence_number
stream.close()
print(f"\n(left after event {last})")

print("# Meanwhile it goes on")
print(client.responses.retrieve(id).status)

print("# The rest of it")
for event in client.responses.retrieve(id, stream=True, starting_after=last):
    if event.type == "response.output_text.delta":
        print(event.delta, end="", flush=True)
print(f"\n({event.type} is event {event.sequence_number})")

print("# Another one, cancelled")
queued = client.responses.create(model=model, input="Tell me a very long story.", background=True)
cancelled = client.responses.cancel(queued.id)
print(f"{queued.status}, then {cancelled.status}")
