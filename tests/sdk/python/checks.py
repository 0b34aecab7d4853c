"""What every answer and stream must fulfil, by the SDK's own types."""

from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

EVENT = TypeAdapter(ResponseStreamEvent)


def whole(response):
    """The SDK builds its objects without looking; this looks."""
    Response.model_validate(response.to_dict())
    assert response.id.startswith("resp_")
    assert response._request_id is None or response._request_id
    if response.usage:
        usage = response.usage
        assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    return response


def stream(events):
    """All events of a stream, checked; the last one's response comes with them."""
    events = list(events)
    for event in events:
        EVENT.validate_python(event.to_dict())
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
    done = [event.item.to_dict() for event in events if event.type == "response.output_item.done"]
    final = events[-1].response
    assert [item.to_dict() for item in final.output] == done
    return events, final


def of_type(events, kind):
    return [event for event in events if event.type == kind]
