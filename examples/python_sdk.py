"""The official Python SDK on this server: only the base URL is another one.

    pip install openai
    python examples/python_sdk.py [http://127.0.0.1:4000]

The model is `demo`, which needs no key; MODEL=claude-… uses another one. A server with client keys wants one in
OPEN_RESPONSES_KEY.
"""

import json
import os
import sys

from openai import BadRequestError, OpenAI
from pydantic import BaseModel

url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:4000"
client = OpenAI(base_url=f"{url}/v1", api_key=os.environ.get("OPEN_RESPONSES_KEY", "none"))
model = os.environ.get("MODEL", "demo")

print("# One answer")
print(client.responses.create(model=model, input="Hello!").output_text)

print("# A stream")
with client.responses.stream(model=model, input="Tell me a story.") as stream:
    for event in stream:
        if event.type == "response.output_text.delta":
            print(event.delta, end="", flush=True)
    print(f"\n({stream.get_final_response().usage.total_tokens} tokens)")

print("# An object")


class Person(BaseModel):
    name: str
    age: int


person = client.responses.parse(model=model, input="This is Ada, 36 years old.", text_format=Person)
print(repr(person.output_parsed))

print("# Tools, until the model has its answer")


def get_weather(city: str) -> str:
    return f"18 degrees and sunny in {city}"


tools = [
    {
        "type": "function",
        "name": "get_weather",
        "description": "Weather in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
        "strict": True,
    }
]
response = client.responses.create(model=model, input="What is the weather in Oslo?", tools=tools)
while calls := [item for item in response.output if item.type == "function_call"]:
    outputs = []
    for call in calls:
        print(f"{call.name}({call.arguments})")
        output = get_weather(**json.loads(call.arguments))
        outputs.append({"type": "function_call_output", "call_id": call.call_id, "output": output})
    # The server has the conversation so far.
    response = client.responses.create(model=model, input=outputs, previous_response_id=response.id, tools=tools)
print(response.output_text)

print("# Thoughts that only the client keeps")
conversation = [{"role": "user", "content": "My name is Ada."}]
settings = {
    "model": model,
    "store": False,
    "reasoning": {"effort": "low", "summary": "auto"},
    "include": ["reasoning.encrypted_content"],
}
conversation += client.responses.create(input=conversation, **settings).output
conversation.append({"role": "user", "content": "What is my name?"})
print(client.responses.create(input=conversation, **settings).output_text)

print("# An error")
try:
    client.responses.create(model="no-such-model", input="Hello!")
except BadRequestError as error:
    print(f"{error.code} at {error.param}: {error.body['message']}")
