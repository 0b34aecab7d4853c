"""Pydantic AI: agents with `OpenAIResponsesModel`."""

import asyncio
import os

import pydantic_ai
import pytest
from openai import AsyncOpenAI
from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.capabilities import NativeTool
from pydantic_ai.messages import PartDeltaEvent, PartStartEvent, ThinkingPart
from pydantic_ai.models.openai import OpenAIResponsesModel
from pydantic_ai.native_tools import MCPServerTool
from pydantic_ai.providers.openai import OpenAIProvider

EFFORT = {"openai_reasoning_effort": "medium"}
SUMMARY = {**EFFORT, "openai_reasoning_summary": "auto"}
ASK = "What is the weather in Oslo and Rome"


class Person(BaseModel):
    name: str
    age: int


@pytest.fixture(params=[False, True], ids=["whole", "stream"])
def stream(request):
    return request.param


def run(model, prompt, stream, tools=(), settings=None, history=None, **more):
    """The result of a run and its events, of which only a stream has any."""

    async def over():
        url, key = os.environ["SERVER_URL"] + "/v1", os.environ["SERVER_KEY"]
        async with AsyncOpenAI(base_url=url, api_key=key, max_retries=0) as client:
            language = OpenAIResponsesModel(model, provider=OpenAIProvider(openai_client=client))
            agent = Agent(language, tools=tools, model_settings=settings, **more)
            if not stream:
                return await agent.run(prompt, message_history=history), []
            async with agent.run_stream_events(prompt, message_history=history) as events:
                seen = [event async for event in events]
            return seen[-1].result, seen[:-1]

    return asyncio.run(over())


def get_weather(city: str) -> str:
    """Weather in a city"""
    return f"18 degrees in {city}"


def thoughts(result):
    """Summaries and raw traces, which it keeps apart."""
    parts = [part for part in result.response.parts if isinstance(part, ThinkingPart)]
    raw = "".join("".join((part.provider_details or {}).get("raw_content", [])) for part in parts)
    return "".join(part.content for part in parts), raw


def streamed(events, kind):
    """The text of all deltas of a part of this kind: "text" or "thinking"."""
    starts = [event.part.content for event in events if isinstance(event, PartStartEvent) and event.part.part_kind == kind]
    deltas = [event.delta for event in events if isinstance(event, PartDeltaEvent)]
    more = [delta.content_delta or "" for delta in deltas if delta.part_delta_kind == kind]
    return "".join(starts) + "".join(more)


def test_it_answers_in_text(model, stream):
    result, events = run(model, "Good morning", stream, instructions="Be brief.")
    assert "Good morning" in result.output and "Be brief." in result.output
    assert result.response.finish_reason == "stop"
    assert result.usage.input_tokens > 0 and result.usage.output_tokens > 0
    if stream:
        assert streamed(events, "text") == result.output


@pytest.mark.parametrize("settings", [{}, EFFORT, SUMMARY], ids=["plain", "effort", "summary"])
@pytest.mark.parametrize("by_id", [False, True], ids=["by hand", "by id"])
def test_it_runs_tools(model, stream, settings, by_id):
    settings = {**settings, "openai_previous_response_id": "auto"} if by_id else settings
    result, _ = run(model, ASK, stream, [get_weather], settings)
    assert "18 degrees in Oslo" in result.output and "18 degrees in Rome" in result.output
    assert [message.kind for message in result.all_messages()] == ["request", "response", "request", "response"]


@pytest.mark.parametrize("by_id", [False, True], ids=["by hand", "by id"])
def test_a_conversation_remembers(model, stream, by_id):
    settings = {**SUMMARY, "openai_previous_response_id": "auto"} if by_id else SUMMARY
    history = []
    for prompt in ("My name is Ada.", "And again", "Once more"):
        result, _ = run(model, prompt, stream, settings=settings, history=history)
        history = result.all_messages()
        assert prompt in result.output and "My name is Ada." in result.output


def test_thoughts_are_shown(model, stream):
    result, events = run(model, "Good morning", stream, settings=SUMMARY)
    summary, raw = thoughts(result)
    assert summary and not raw
    if stream:
        assert streamed(events, "thinking") == summary


def test_thoughts_without_a_summary(model, provider, stream):
    result, _ = run(model, "Good morning", stream, settings=EFFORT)
    assert "Good morning" in result.output
    summary, raw = thoughts(result)
    if provider in ("openai-chat", "ollama"):
        assert raw and not summary
    elif provider in ("anthropic", "openai-responses"):
        assert summary and not raw


@pytest.mark.parametrize("output", [Person, NativeOutput(Person)], ids=["by a tool", "by a format"])
def test_objects(model, stream, output):
    result, _ = run(model, "The final result: this is Ada, 36 years old", stream, output_type=output)
    assert result.output.name == "Ada"


def test_errors(model, stream):
    with pytest.raises(pydantic_ai.ModelHTTPError) as caught:
        run(model + "-error-429", "Hello", stream)
    assert caught.value.status_code == 429 and caught.value.body["code"] == "rate_limit_exceeded"
    with pytest.raises(pydantic_ai.ModelHTTPError) as caught:
        run(model, "Hello", stream, settings={"temperature": 5})
    assert caught.value.status_code == 400 and caught.value.body["param"] == "temperature"
    for ending in ("-fail", "-cut"):
        with pytest.raises(pydantic_ai.exceptions.AgentRunError) as caught:
            run(model + ending, "Good morning to you all", stream)
        assert str(caught.value)


def test_a_tool_of_an_mcp_server(model, stream):
    server = MCPServerTool(
        id="notebook",
        url=os.environ["MCP_URL"],
        authorization_token=os.environ["MCP_TOKEN"],
        allowed_tools=["add"],
    )
    result, _ = run(model, "add 4 and 4", stream, capabilities=[NativeTool(server)])
    assert "8" in result.output
    kinds = [part.part_kind for part in result.response.parts]
    assert "builtin-tool-call" in kinds and "builtin-tool-return" in kinds
    second, _ = run(model, "Thank you", stream, history=result.all_messages(), capabilities=[NativeTool(server)])
    assert "Thank you" in second.output


def test_a_background_response_is_polled(model):
    result, _ = run(model + "-slow", "Good morning", False, settings={"openai_background": True})
    assert "Good morning" in result.output
