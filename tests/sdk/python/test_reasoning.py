"""Thoughts: shown, hidden, and carried back to the provider that had them."""

import checks
import pytest

ASKED = {"reasoning": {"effort": "medium", "summary": "auto"}}
SEALED = {**ASKED, "include": ["reasoning.encrypted_content"]}
CAME_BACK = "that came back"


def reasoning(response):
    """The thought; a second item may hold a state that came later."""
    return next(item for item in response.output if item.type == "reasoning")


def shown(item):
    return "".join(part.text for part in [*item.summary, *(item.content or [])])


@pytest.mark.parametrize("stream", [False, True])
def test_a_thought_is_shown(client, model, provider, stream):
    response = client.responses.create(model=model, input="Good morning", stream=stream, **ASKED)
    if stream:
        events = [event for event in response]
        response = events[-1].response
        deltas = [event.delta for event in events if ".reasoning" in event.type and event.type.endswith(".delta")]
        assert "".join(deltas) == shown(reasoning(response))
    thought = reasoning(checks.whole(response))
    assert shown(thought)
    assert thought.encrypted_content is None
    if provider not in ("anthropic", "ollama"):  # they do not say
        assert response.usage.output_tokens_details.reasoning_tokens > 0


@pytest.mark.parametrize("settings", [{"effort": "medium"}, ASKED["reasoning"]], ids=["effort", "summary"])
def test_the_stream_helper_reads_thoughts(client, model, settings):
    with client.responses.stream(model=model, input="Good morning", reasoning=settings) as stream:
        deltas = [event.delta for event in stream if ".reasoning" in event.type and event.type.endswith(".delta")]
        final = stream.get_final_response()
    assert "".join(deltas) == "".join(shown(item) for item in final.output if item.type == "reasoning")
    assert "Good morning" in final.output_text


def test_a_thought_goes_back_without_a_store(client, model):
    conversation = [{"role": "user", "content": "My name is Ada."}]
    first = checks.whole(client.responses.create(model=model, input=conversation, store=False, **SEALED))
    assert any(item.encrypted_content for item in first.output if item.type == "reasoning")
    conversation += first.output
    conversation.append({"role": "user", "content": "And again"})
    second = client.responses.create(model=model, input=conversation, store=False, **SEALED)
    assert CAME_BACK in second.output_text


def test_a_streamed_thought_goes_back_without_a_store(client, model):
    conversation = [{"role": "user", "content": "My name is Ada."}]
    with client.responses.stream(model=model, input=conversation, store=False, **SEALED) as stream:
        first = stream.get_final_response()
    conversation += first.output
    conversation.append({"role": "user", "content": "And again"})
    second = client.responses.create(model=model, input=conversation, store=False, **SEALED)
    assert CAME_BACK in second.output_text


def test_a_stored_thought_goes_back_unseen(client, model):
    first = client.responses.create(model=model, input="My name is Ada.", **ASKED)
    assert reasoning(first).encrypted_content is None
    second = client.responses.create(model=model, input="And again", previous_response_id=first.id, **ASKED)
    assert CAME_BACK in second.output_text


def test_a_thought_of_another_provider_is_left_out(client, model):
    other = "anthropic/claude-opus-4-6" if model == "demo" else "demo"
    first = client.responses.create(model=other, input="My name is Ada.", **ASKED)
    made = client.responses.with_raw_response.create(
        model=model, input="And again", previous_response_id=first.id, **ASKED
    )
    second = made.parse()
    assert second.status == "completed" and "My name is Ada." in second.output_text
    assert CAME_BACK not in second.output_text
    assert "reasoning" in made.headers["openresponses-translation"]
