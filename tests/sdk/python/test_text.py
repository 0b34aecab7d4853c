"""Answers in text: unary, streamed, chained, retrieved, parsed."""

import asyncio
import os

import checks
import pytest
from openai import AsyncOpenAI
from pydantic import BaseModel


class Person(BaseModel):
    name: str
    age: int


def test_create_answers_in_text(client, model):
    response = checks.whole(client.responses.create(model=model, input="Good morning", instructions="Be brief."))
    assert response.status == "completed"
    assert "Good morning" in response.output_text and "Be brief." in response.output_text
    assert response._request_id
    assert response.usage.input_tokens > 0 and response.usage.output_tokens > 0


def test_the_settings_are_echoed(client, model):
    response = checks.whole(
        client.responses.create(
            model=model,
            input="Hello",
            temperature=0.5,
            metadata={"a": "b"},
            max_output_tokens=500,
            user="u",
            store=False,
        )
    )
    assert (response.temperature, response.metadata, response.max_output_tokens) == (0.5, {"a": "b"}, 500)
    assert response.store is False


def test_events_of_a_stream_are_typed_and_numbered(client, model):
    events, final = checks.stream(client.responses.create(model=model, input="Good morning", stream=True))
    deltas = checks.of_type(events, "response.output_text.delta")
    assert len(deltas) > 1
    assert "".join(event.delta for event in deltas) == final.output_text
    assert events[-1].type == "response.completed"
    checks.whole(final)


def test_the_stream_helper_gives_the_final_response(client, model):
    with client.responses.stream(model=model, input="Good morning") as stream:
        snapshots = [event.snapshot for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert snapshots[-1] == final.output_text
    assert "Good morning" in final.output_text


def test_unary_and_stream_say_the_same(client, model):
    unary = client.responses.create(model=model, input="Good morning")
    _, final = checks.stream(client.responses.create(model=model, input="Good morning", stream=True))
    assert (unary.output_text, unary.usage) == (final.output_text, final.usage)


def test_parse_gives_an_object(client, model):
    response = client.responses.parse(model=model, input="This is Ada, 36 years old", text_format=Person)
    checks.whole(response)
    assert response.output_parsed == Person(name="Ada", age=36)


def test_the_stream_helper_parses(client, model):
    with client.responses.stream(model=model, input="This is Ada, 36 years old", text_format=Person) as stream:
        done = [event.parsed for event in stream if event.type == "response.output_text.done"]
        final = stream.get_final_response()
    assert done == [Person(name="Ada", age=36)] and final.output_parsed == done[0]


def test_a_chain_remembers(client, model):
    first = client.responses.create(model=model, input="My name is Ada.")
    second = client.responses.create(model=model, input="And again", previous_response_id=first.id)
    assert second.previous_response_id == first.id
    assert "My name is Ada." in second.output_text
    with client.responses.stream(model=model, input="Once more", previous_response_id=second.id) as stream:
        assert "My name is Ada." in stream.get_final_response().output_text


def test_a_conversation_by_hand_remembers(client, model):
    conversation = [{"role": "user", "content": "My name is Ada."}]
    first = client.responses.create(model=model, input=conversation, store=False)
    conversation += first.output
    conversation.append({"role": "user", "content": "And again"})
    second = client.responses.create(model=model, input=conversation, store=False)
    assert "My name is Ada." in second.output_text


def test_a_chain_goes_over_providers(client, model):
    first = client.responses.create(model="demo", input="My name is Ada.")
    second = client.responses.create(model=model, input="And again", previous_response_id=first.id)
    assert "My name is Ada." in second.output_text


def test_retrieve_gives_what_create_gave(client, model):
    made = client.responses.create(model=model, input="Good morning")
    assert client.responses.retrieve(made.id).to_dict() == made.to_dict()


def test_retrieve_gives_what_a_stream_ended_with(client, model):
    _, final = checks.stream(client.responses.create(model=model, input="Good morning", stream=True))
    assert client.responses.retrieve(final.id).to_dict() == final.to_dict()


def test_an_image_goes_along(client, model):
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    content = [
        {"type": "input_text", "text": "Good morning"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{pixel}", "detail": "auto"},
    ]
    response = checks.whole(client.responses.create(model=model, input=[{"role": "user", "content": content}]))
    assert "Good morning" in response.output_text


@pytest.mark.parametrize("stream", [False, True])
def test_the_token_budget_ends_incomplete(client, model, stream):
    text = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    response = client.responses.create(model=model, input=text, max_output_tokens=16, stream=stream)
    if stream:
        events, response = checks.stream(response)
        assert events[-1].type == "response.incomplete"
    checks.whole(response)
    assert response.status == "incomplete"
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.output[-1].status == "incomplete"


def test_many_async_streams_at_once(model):
    async def one(client, n):
        text = ""
        async with client.responses.stream(model=model, input=f"Number {n}") as stream:
            async for event in stream:
                if event.type == "response.output_text.delta":
                    text += event.delta
            final = await stream.get_final_response()
        assert final.output_text == text
        assert f"Number {n}" in text

    async def all_of_them():
        url, key = os.environ["SERVER_URL"] + "/v1", os.environ["SERVER_KEY"]
        async with AsyncOpenAI(base_url=url, api_key=key, max_retries=0) as client:
            await asyncio.gather(*(one(client, n) for n in range(20)))

    asyncio.run(all_of_them())


def test_a_refusal_is_typed(client):
    events, final = checks.stream(client.responses.create(model="demo-refusal", input="Hello", stream=True))
    refusal = final.output[0].content[0]
    assert refusal.type == "refusal"
    assert "".join(e.delta for e in checks.of_type(events, "response.refusal.delta")) == refusal.refusal


def test_citations_are_typed(client):
    events, final = checks.stream(client.responses.create(model="demo-citations", input="Hello", stream=True))
    part = final.output[0].content[0]
    assert [note.type for note in part.annotations] == ["url_citation", "url_citation"]
    assert len(checks.of_type(events, "response.output_text.annotation.added")) == 2


def test_log_probabilities_are_typed(client):
    include = ["message.output_text.logprobs"]
    response = client.responses.create(model="demo", input="Hello", include=include, top_logprobs=2)
    logprobs = checks.whole(response).output[0].content[0].logprobs
    assert "".join(entry.token for entry in logprobs) == response.output_text
    assert all(len(entry.top_logprobs) == 2 for entry in logprobs)
