"""Responses in the background: polled, streamed, resumed, cancelled, deleted."""

import time

import openai
import pytest

PROMPT = "Please tell me a story that has at least ten words"


@pytest.fixture
def slow(model):
    return f"{model}-slow"


def end(client, id):
    for _ in range(400):
        response = client.responses.retrieve(id)
        if response.status not in ("queued", "in_progress"):
            return response
        time.sleep(0.05)
    raise AssertionError(f"it stays {response}")


def begin(client, model, until="response.output_text.delta"):
    """Begins a stream and leaves at the first event of a type."""
    stream = client.responses.create(model=model, input=PROMPT, background=True, stream=True)
    seen = []
    for event in stream:
        seen.append(event)
        if event.type == until:
            break
    stream.close()
    return seen[0].response.id, seen


def check(events):
    """A whole stream; the answer is its final response."""
    assert [event.sequence_number for event in events] == list(range(len(events)))
    final = events[-1].response
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == final.output_text
    return final


def test_a_background_response_is_polled(client, slow):
    queued = client.responses.create(model=slow, input=PROMPT, background=True)
    assert (queued.status, queued.background, queued.output) == ("queued", True, [])
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=slow, input="And again", previous_response_id=queued.id)
    assert caught.value.code == "previous_response_not_finished"
    done = end(client, queued.id)
    assert done.status == "completed" and PROMPT in done.output_text and done.usage.output_tokens > 0
    (item,) = client.responses.input_items.list(queued.id)
    assert item.content[0].text == PROMPT


def test_a_stream_is_resumed(client, slow):
    id, seen = begin(client, slow)
    rest = list(client.responses.retrieve(id, stream=True, starting_after=seen[-1].sequence_number))
    final = check(seen + rest)
    assert final.status == "completed" and PROMPT in final.output_text
    assert client.responses.retrieve(id) == final
    assert list(client.responses.retrieve(id, stream=True)) == seen + rest
    assert list(client.responses.retrieve(id, stream=True, starting_after=rest[-2].sequence_number)) == rest[-1:]
    assert list(client.responses.retrieve(id, stream=True, starting_after=rest[-1].sequence_number)) == []


def test_the_stream_helper_takes_it_up(client, slow):
    id, seen = begin(client, slow)
    after = seen[-1].sequence_number
    with client.responses.stream(response_id=id, starting_after=after) as stream:
        numbers = [event.sequence_number for event in stream]
        final = stream.get_final_response()
    assert numbers == list(range(after + 1, numbers[-1] + 1))
    assert final.status == "completed" and PROMPT in final.output_text
    with client.responses.stream(response_id=id) as stream:
        assert [event.sequence_number for event in stream] == list(range(numbers[-1] + 1))


def test_a_polled_response_is_cancelled(client, slow):
    id = client.responses.create(model=slow, input=PROMPT, background=True).id
    cancelled = client.responses.cancel(id)
    assert (cancelled.status, cancelled.incomplete_details.reason) == ("cancelled", "cancelled")
    assert client.responses.cancel(id) == client.responses.retrieve(id) == cancelled
    again = client.responses.create(model=slow, input="And again", previous_response_id=id, background=True)
    assert client.responses.cancel(again.id).status == "cancelled"


def test_the_reader_of_a_cancelled_response_is_told(client, slow):
    id, seen = begin(client, slow)
    reader = client.responses.retrieve(id, stream=True, starting_after=seen[-1].sequence_number)
    cancelled = client.responses.cancel(id)
    rest = list(reader)
    assert rest[-1].type == "response.incomplete"
    assert check(seen + rest) == cancelled and cancelled.status == "cancelled"
    assert cancelled.output[-1].status == "incomplete"


def test_what_is_running_can_be_deleted(client, slow):
    id, _ = begin(client, slow)
    client.responses.delete(id)
    for call in (client.responses.retrieve, client.responses.cancel, client.responses.delete):
        with pytest.raises(openai.NotFoundError):
            call(id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(id, stream=True)


def test_what_cannot_be_done_is_a_bad_request(client):
    foreground = client.responses.create(model="demo", input="Hello")
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.cancel(foreground.id)
    assert caught.value.code == "response_not_in_background"
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.retrieve(foreground.id, stream=True)
    assert caught.value.code == "response_not_streamed"
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="demo", input="Hello", background=True, store=False)
    assert caught.value.param == "background"
