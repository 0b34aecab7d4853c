"""What tools of real servers give, over stdio and streamable HTTP, and what the model gets of it."""

import base64
import json

import pytest
from conftest import TOKEN, names, server, until


@pytest.fixture(params=["stdio", "configured", "given"])
def everything_tool(request, everything):
    """`server-everything` in the three ways to reach it."""
    url = f"http://127.0.0.1:{everything}/mcp"
    return {
        "stdio": server("program"),
        "configured": server("everything"),
        "given": server("mine", server_url=url),
    }[request.param]


@pytest.fixture(params=["configured", "given"])
def notebook_tool(request, notebook):
    given = server("mine", server_url=notebook.url, authorization=TOKEN)
    return server("notebook") if request.param == "configured" else given


def test_everything_lists_and_calls(gateway, everything_tool):
    call, response = gateway.call("echo this", everything_tool)
    listed = names(response, everything_tool["server_label"])
    assert {"echo", "get-tiny-image", "get-structured-content"} <= set(listed)
    assert (call["name"], call["status"], call["error"]) == ("echo", "completed", None)
    assert call["output"] == gateway.result_for_model() == "Echo: echo this"


def test_everything_gives_pictures_and_resources(gateway, everything_tool):
    call, _ = gateway.call("a tiny thing", everything_tool)
    parts = gateway.result_for_model()
    assert json.loads(call["output"]) == {"content_parts": parts}
    assert [part["type"] for part in parts] == ["input_text", "input_image", "input_text"]
    head, data = parts[1]["image_url"].split(",")
    assert head == "data:image/png;base64" and base64.b64decode(data).startswith(b"\x89PNG")
    gateway.call("a reference", everything_tool)
    parts = gateway.result_for_model()
    assert any("demo://resource/" in part["text"] for part in parts if part["type"] == "input_text"), parts


def test_everything_gives_structured_content(gateway, everything_tool):
    gateway.call("structured", everything_tool)
    assert json.loads(gateway.result_for_model()).keys() == {"temperature", "conditions", "humidity"}


def test_a_program_gets_no_more_of_the_environment_than_it_is_given(gateway):
    call, _ = gateway.call("env", server("program"))
    assert "PATH" in call["output"] and "upstream-key" not in call["output"] and TOKEN not in call["output"]


def test_a_program_takes_no_credentials(gateway):
    for member, value in [("authorization", "x"), ("headers", {"x-key": "x"})]:
        status, body = gateway.post("echo", server("program", **{member: value}))
        assert (status, body["error"]["param"]) == (400, f"tools[0].{member}")


def test_all_pages_are_listed_and_a_call_is_made(gateway, notebook, notebook_tool):
    before = notebook.counters()["calls"].get("add", 0)
    call, response = gateway.call("add 4", notebook_tool)
    assert {"add", "fail", "huge", "notes.count", "switch_extra"} <= set(names(response, call["server_label"]))
    assert json.loads(call["arguments"]) == {"a": 4, "b": 4} and call["output"] == "8"
    assert notebook.counters()["calls"]["add"] == before + 1


def test_a_picture_and_structured_content_reach_the_model(gateway, notebook_tool):
    gateway.call("a picture", notebook_tool)
    [part] = gateway.result_for_model()
    assert part["image_url"].startswith("data:image/png;base64,iVBOR")
    gateway.call("structured", notebook_tool)
    assert json.loads(gateway.result_for_model()) == {"c": 7, "sky": ["clear", "blue"]}


def test_a_name_with_a_dot_is_called_by_its_own_name(gateway, notebook, notebook_tool):
    before = notebook.counters()["calls"].get("notes.count", 0)
    call, _ = gateway.call("count", notebook_tool)
    assert (call["name"], call["status"]) == ("notes.count", "completed")
    assert notebook.counters()["calls"]["notes.count"] == before + 1


def test_namesakes_of_two_servers_are_told_apart(gateway, notebook):
    other = server("mine", server_url=notebook.url, authorization=TOKEN, allowed_tools=["write_note"])
    call, _ = gateway.call("mine", server("notebook"), other)
    assert (call["server_label"], call["name"]) == ("mine", "write_note")


def test_a_failure_is_told_to_model_and_client(gateway, notebook_tool):
    call, _ = gateway.call("fail", notebook_tool)
    assert (call["status"], call["output"]) == ("failed", None)
    assert call["error"] == {
        "type": "mcp_tool_execution_error",
        "content": [{"type": "text", "text": "the notebook is locked"}],
    }
    assert gateway.result_for_model() == "the notebook is locked"


def test_a_long_text_is_cut_and_the_model_is_told(gateway):
    call, _ = gateway.call("huge 3", server("hurried"))
    assert call["output"] == gateway.result_for_model()
    assert call["output"].startswith("0123") and len(call["output"]) < 1100
    assert "Cut off here: the result is longer than 1000 bytes" in call["output"]


def test_a_call_that_takes_too_long_is_cancelled_at_the_server(gateway, notebook):
    before = notebook.counters()["slow"].get("cancelled", 0)
    call, _ = gateway.call("slow 30", server("hurried"))
    assert call["status"] == "failed" and "1 s" in gateway.result_for_model()
    until(lambda: notebook.counters()["slow"].get("cancelled", 0) == before + 1)


def test_progress_is_a_comment_in_the_stream(gateway, notebook_tool):
    _, text = gateway.post("slow 1", notebook_tool, stream=True)
    assert ": progress: step 5 of 10\n" in text and "event: response.completed" in text


def test_a_missing_token_is_a_401_of_the_client_or_a_424_of_the_operator(gateway, notebook):
    for tool, want in [
        (server("mine", server_url=notebook.url), 401),
        (server("mine", server_url=notebook.url, authorization="wrong"), 401),
        (server("notebook", authorization="wrong"), 401),
        (server("keyless"), 424),
    ]:
        status, body = gateway.post("add 1", tool)
        assert (status, body["error"]["code"]) == (want, "mcp_unauthorized"), body
        assert body["error"]["param"] == "tools[0]" and "wrong" not in json.dumps(body)


def test_a_request_cannot_go_where_it_is_not_allowed_to(gateway, upstream):
    status, body = gateway.post("add 1", server("mine", server_url=f"{upstream}/mcp"))
    assert (status, body["error"]["code"]) == (400, "mcp_server_not_allowed")
    assert body["error"]["param"] == "tools[0].server_url"


def test_an_approval_runs_the_call_once(gateway, notebook, notebook_tool):
    before = len(notebook.counters()["notes"])
    first = gateway.ask("write", {**notebook_tool, "require_approval": "always"})
    asked = first["output"][-1]
    assert (asked["type"], asked["name"]) == ("mcp_approval_request", "write_note")
    assert len(notebook.counters()["notes"]) == before
    yes = [{"type": "mcp_approval_response", "approval_request_id": asked["id"], "approve": True}]
    call, _ = gateway.call(yes, notebook_tool, previous_response_id=first["id"])
    assert (call["approval_request_id"], call["status"]) == (asked["id"], "completed")
    status, body = gateway.post(yes, notebook_tool, previous_response_id=first["id"])
    assert (status, body["error"]["code"]) == (400, "approval_already_answered")
    assert notebook.counters()["notes"][before:] == ["write"]
