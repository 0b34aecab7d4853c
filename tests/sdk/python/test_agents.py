"""The `openai-agents` package: its own loop of tools, tools of the server, and sessions by previous_response_id."""

import asyncio
import os
from pathlib import Path

import pytest
from agents import Agent, FunctionTool, ModelSettings, OpenAIResponsesModel, Runner, function_tool, set_tracing_disabled
from openai import AsyncOpenAI
from openai.types import Reasoning

# Traces would go to OpenAI.
set_tracing_disabled(True)


class ServerToolsModel(OpenAIResponsesModel):
    """Hides the calls that the server answered; the SDK would run each again, or fail for want of the tool."""

    async def get_response(self, *args, **kwargs):
        response = await super().get_response(*args, **kwargs)
        response.output = without_answered(response.output)
        return response

    async def stream_response(self, *args, **kwargs):
        async for event in super().stream_response(*args, **kwargs):
            if event.type == "response.completed":
                event.response.output = without_answered(event.response.output)
            yield event


def without_answered(output):
    answered = {item.call_id for item in output if item.type == "function_call_output"}
    return [item for item in output if getattr(item, "call_id", None) not in answered]


async def never(context, arguments):
    raise AssertionError("the server runs this tool")


# Names a tool of the server; its schema is the server's.
TIDE = FunctionTool("tide_table", "", {"type": "object", "properties": {}}, never, strict_json_schema=False)
ASK = "When is the tide in Oslo"


def run(model, prompt, stream, tools=(), settings=None, kind=ServerToolsModel, **more):
    async def over():
        url = os.environ["SERVER_URL"] + "/v1"
        async with AsyncOpenAI(base_url=url, api_key=os.environ["SERVER_KEY"], max_retries=0) as client:
            agent = Agent("tester", model=kind(model, client), tools=list(tools), model_settings=settings or ModelSettings())
            if not stream:
                return await Runner.run(agent, prompt, **more), []
            result = Runner.run_streamed(agent, prompt, **more)
            return result, [event async for event in result.stream_events()]

    result, events = asyncio.run(over())
    if stream:
        raw = [event.data for event in events if event.type == "raw_response_event"]
        said = "".join(event.delta for event in raw if event.type == "response.output_text.delta")
        assert said.endswith(result.final_output)
    return result


def runs(response_id):
    """What the tool itself counted for a response."""
    return Path(os.environ["TOOL_RUNS"]).read_text().split().count(response_id)


@pytest.fixture(params=[False, True], ids=["whole", "stream"])
def stream(request):
    return request.param


@pytest.mark.parametrize("by_id", [False, True], ids=["by hand", "by id"])
def test_the_agent_runs_its_own_tool(model, stream, by_id):
    asked = []

    @function_tool
    def get_weather(city: str) -> str:
        """Weather in a city"""
        asked.append(city)
        return "18 degrees"

    prompt = "What is the weather in Oslo and Rome"
    settings = {"tools": [get_weather], "kind": OpenAIResponsesModel, "auto_previous_response_id": by_id}
    result = run(model, prompt, stream, **settings)
    assert sorted(asked) == ["Oslo", "Rome"] and len(result.raw_responses) == 2
    assert "18 degrees" in result.final_output


def test_the_server_runs_a_tool_that_the_agent_names(model, stream):
    result = run(model, ASK, stream, [TIDE])
    assert "high at noon" in result.final_output
    assert len(result.raw_responses) == 1 and runs(result.last_response_id) == 1


def test_the_server_runs_a_tool_that_the_agent_does_not_know(model, stream):
    settings = ModelSettings(extra_body={"tools": [{"type": "function", "name": "tide_table"}]})
    result = run(model, ASK, stream, settings=settings)
    assert "high at noon" in result.final_output
    assert len(result.raw_responses) == 1 and runs(result.last_response_id) == 1


def test_a_run_goes_on_by_previous_response_id(model, stream):
    first = run(model, ASK, stream, [TIDE])
    second = run(model, "Thank you", stream, [TIDE], previous_response_id=first.last_response_id)
    assert "Thank you" in second.final_output and ASK in second.final_output
    assert runs(second.last_response_id) == 0
    third = run(model, ASK, stream, [TIDE], previous_response_id=second.last_response_id)
    assert "high at noon" in third.final_output and runs(third.last_response_id) == 1


def test_a_run_goes_on_from_its_items(model, stream):
    first = run(model, ASK, stream, [TIDE])
    items = first.to_input_list() + [{"role": "user", "content": "Thank you"}]
    second = run(model, items, stream, [TIDE])
    assert "Thank you" in second.final_output and ASK in second.final_output


def thoughts(result):
    return [item.raw_item for item in result.new_items if item.type == "reasoning_item"]


def test_a_raw_trace_is_shown(model, provider, stream):
    settings = ModelSettings(reasoning=Reasoning(effort="medium"))
    result = run(model, "Good morning", stream, settings=settings)
    assert "Good morning" in result.final_output
    if provider in ("openai-chat", "ollama"):
        assert "".join(part.text for thought in thoughts(result) for part in thought.content)


@pytest.mark.parametrize("stored", [True, False], ids=["stored", "not stored"])
def test_thoughts_are_shown_and_go_back(model, stream, stored):
    @function_tool
    def get_weather(city: str) -> str:
        """Weather in a city"""
        return "18 degrees"

    include = [] if stored else ["reasoning.encrypted_content"]
    reasoning = Reasoning(effort="medium", summary="auto")
    settings = ModelSettings(reasoning=reasoning, store=stored, response_include=include)
    more = {"tools": [get_weather], "settings": settings, "kind": OpenAIResponsesModel}
    result = run(model, "What is the weather in Oslo", stream, **more)
    assert "".join(part.text for thought in thoughts(result) for part in thought.summary)
    assert "18 degrees" in result.final_output and "that came back" in result.final_output
