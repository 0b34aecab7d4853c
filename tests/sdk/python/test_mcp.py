"""MCP servers: the SDK's own types, streams, and approvals."""

import json
import os

import checks
import pytest

NOTEBOOK = {
    "type": "mcp",
    "server_label": "notebook",
    "server_url": os.environ["MCP_URL"],
    "authorization": os.environ["MCP_TOKEN"],
    "require_approval": "never",
    "allowed_tools": ["add", "fail"],
}
ASKING = {**NOTEBOOK, "require_approval": "always"}
ASK = "add 4 and 4"


@pytest.fixture(params=[False, True], ids=["whole", "stream"])
def stream(request):
    return request.param


def create(client, stream, **request):
    response = client.responses.create(stream=stream, **request)
    if stream:
        _, response = checks.stream(response)
    return checks.whole(response)


def of_kind(response, kind):
    return [item for item in response.output if item.type == kind]


def answer(request, approve, reason=None):
    return {"type": "mcp_approval_response", "approval_request_id": request.id, "approve": approve, "reason": reason}


def only_request(response):
    [request] = of_kind(response, "mcp_approval_request")
    assert (request.server_label, request.name, json.loads(request.arguments)) == ("notebook", "add", {"a": 4, "b": 4})
    assert not of_kind(response, "mcp_call")
    return request


@pytest.mark.parametrize("configured", [False, True], ids=["given", "configured"])
def test_a_call_and_its_list_have_their_types(client, model, stream, configured):
    tool = {"type": "mcp", "server_label": "own", "require_approval": "never"} if configured else NOTEBOOK
    response = create(client, stream, model=model, input=ASK, tools=[tool])
    [listed] = of_kind(response, "mcp_list_tools")
    [call] = of_kind(response, "mcp_call")
    assert (listed.server_label, type(listed).__name__) == (tool["server_label"], "McpListTools")
    assert "add" in [one.name for one in listed.tools] and listed.id.startswith("mcpl_")
    assert (call.name, call.status, call.output, call.error) == ("add", "completed", "8", None)
    assert (call.id[:4], type(call).__name__) == ("mcp_", "McpCall")
    assert "8" in response.output_text
    assert os.environ["MCP_TOKEN"] not in response.to_json()


def test_a_stream_tells_each_step(client, model):
    events, _ = checks.stream(client.responses.create(model=model, input=ASK, tools=[NOTEBOOK], stream=True))
    kinds = [event.type.removeprefix("response.") for event in events if ".mcp_" in event.type]
    assert list(dict.fromkeys(kinds)) == [
        "mcp_list_tools.in_progress",
        "mcp_list_tools.completed",
        "mcp_call.in_progress",
        "mcp_call_arguments.delta",
        "mcp_call_arguments.done",
        "mcp_call.completed",
    ]
    deltas = checks.of_type(events, "response.mcp_call_arguments.delta")
    [done] = checks.of_type(events, "response.mcp_call_arguments.done")
    assert "".join(event.delta for event in deltas) == done.arguments


def test_the_stream_helper_follows(client, model):
    with client.responses.stream(model=model, input=ASK, tools=[NOTEBOOK]) as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        response = stream.get_final_response()
    assert "8" in text and text == response.output_text and len(of_kind(response, "mcp_call")) == 1


def test_a_failure_has_its_type(client, model, stream):
    [call] = of_kind(create(client, stream, model=model, input="fail now", tools=[NOTEBOOK]), "mcp_call")
    assert (call.status, call.error.type) == ("failed", "mcp_tool_execution_error")
    assert call.error.content[0]["text"] == "the notebook is locked"


def test_the_list_is_not_shown_again(client, model, stream):
    first = create(client, stream, model=model, input=ASK, tools=[NOTEBOOK])
    second = create(client, stream, model=model, input=ASK, tools=[NOTEBOOK], previous_response_id=first.id)
    assert not of_kind(second, "mcp_list_tools") and of_kind(second, "mcp_call")[0].output == "8"
    third = create(client, stream, model=model, input="Thank you", tools=[NOTEBOOK], previous_response_id=second.id)
    assert "Thank you" in third.output_text


def test_an_approval_by_previous_response_id(client, model, stream):
    first = create(client, stream, model=model, input=ASK, tools=[ASKING])
    request = only_request(first)
    second = create(
        client, stream, model=model, input=[answer(request, True)], tools=[ASKING], previous_response_id=first.id
    )
    [call] = of_kind(second, "mcp_call")
    assert (call.approval_request_id, call.output) == (request.id, "8") and "8" in second.output_text


def test_an_approval_by_hand(client, model, stream):
    conversation = [{"role": "user", "content": ASK}]
    first = create(client, stream, model=model, input=conversation, tools=[ASKING], store=False)
    conversation += [item.to_dict() for item in first.output] + [answer(only_request(first), True)]
    second = create(client, stream, model=model, input=conversation, tools=[ASKING], store=False)
    assert [call.output for call in of_kind(second, "mcp_call")] == ["8"]


def test_a_denied_call_is_not_made(client, model, stream):
    first = create(client, stream, model=model, input=ASK, tools=[ASKING])
    no = answer(only_request(first), False, "too expensive")
    second = create(client, stream, model=model, input=[no], tools=[ASKING], previous_response_id=first.id)
    assert not of_kind(second, "mcp_call") and "too expensive" in second.output_text


def test_a_wrong_token_is_an_authentication_error(client, stream):
    from openai import AuthenticationError

    tool = {**NOTEBOOK, "authorization": "wrong"}
    with pytest.raises(AuthenticationError) as caught:
        client.responses.create(model="demo", input=ASK, tools=[tool], stream=stream)
    assert (caught.value.code, caught.value.param) == ("mcp_unauthorized", "tools[0]")
