"""What every answer and stream must fulfil, by the SDK's own types."""

from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

EVENT = TypeAdapter(ResponseStreamEvent)


def strict(validate, made):
    """`cache_write_tokens` is OpenAI's; the Open Responses specification does not have it."""
    raw = made.to_dict()
    usage = (raw.get("response") or raw).get("usage")
    if usage:
        usage["input_tokens_details"].setdefault("cache_write_tokens", 0)
    validate(raw)


def whole(response):
    """The SDK builds its objects without looking; this looks."""
    strict(Response.model_validate, response)
    assert response.id.startswith("resp_")
    if response.usage:
        usage = response.usage
        assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    return response


def stream(events):
    """All events of a stream, checked; the last one's response comes with them."""
    events = list(events)
    for event in events:
        strict(EVENT.validate_python, event)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
    done = [event.item.to_dict() for event in events if event.type == "response.output_item.done"]
    final = events[-1].response
    assert [item.to_dict() for item in final.output] == done
    return events, final


def of_type(events, kind):
    return [event for event in events if event.type == kind]
