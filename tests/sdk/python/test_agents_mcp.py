"""`HostedMCPTool` of the `openai-agents` package, with and without approvals."""

import asyncio
import os

import pytest
from agents import Agent, HostedMCPTool, OpenAIResponsesModel, Runner
from openai import AsyncOpenAI
from test_agents import run, stream  # noqa: F401
from test_mcp import ASK, NOTEBOOK


def hosted(require_approval, on_request=None):
    return HostedMCPTool({**NOTEBOOK, "require_approval": require_approval}, on_request)


def kinds(result):
    return [item.type for item in result.new_items if item.type != "reasoning_item"]


def plain(*args, **more):
    return run(*args, kind=OpenAIResponsesModel, **more)


def test_the_server_calls(model, stream):
    result = plain(model, ASK, stream, [hosted("never")])
    assert kinds(result) == ["mcp_list_tools_item", "tool_call_item", "message_output_item"]
    assert "8" in result.final_output and len(result.raw_responses) == 1


@pytest.mark.parametrize("by_id", [False, True], ids=["by hand", "by id"])
@pytest.mark.parametrize("approve", [True, False], ids=["yes", "no"])
def test_the_agent_is_asked(model, stream, approve, by_id):
    asked = []

    def decide(request):
        asked.append(request.data.name)
        return {"approve": True} if approve else {"approve": False, "reason": "too expensive"}

    result = plain(model, ASK, stream, [hosted("always", decide)], auto_previous_response_id=by_id)
    assert asked == ["add"] and len(result.raw_responses) == 2
    assert ("8" if approve else "too expensive") in result.final_output
    assert "mcp_approval_response_item" in kinds(result)


def test_a_run_that_stopped_for_an_approval_goes_on(model, stream):
    async def over():
        url = os.environ["SERVER_URL"] + "/v1"
        async with AsyncOpenAI(base_url=url, api_key=os.environ["SERVER_KEY"], max_retries=0) as client:
            agent = Agent("tester", model=OpenAIResponsesModel(model, client), tools=[hosted("always")])
            first = await Runner.run(agent, ASK)
            [asked] = first.interruptions
            state = first.to_state()
            state.approve(asked)
            if not stream:
                return await Runner.run(agent, state)
            second = Runner.run_streamed(agent, state)
            async for _ in second.stream_events():
                pass
            return second

    assert "8" in asyncio.run(over()).final_output


def test_a_run_goes_on_from_its_items(model, stream):
    first = plain(model, ASK, stream, [hosted("never")])
    items = first.to_input_list() + [{"role": "user", "content": "Thank you"}]
    second = plain(model, items, stream, [hosted("never")])
    assert "Thank you" in second.final_output
