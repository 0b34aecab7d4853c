"""LangChain: `ChatOpenAI` on this API, and the agent of the `langchain` package."""

import asyncio
import os
from functools import reduce

import openai
import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

EFFORT = {"reasoning": {"effort": "medium"}}
SUMMARY = {"reasoning": {"effort": "medium", "summary": "auto"}}
ASK = "What is the weather in Oslo and Rome"
CAME_BACK = "that came back"


class Person(BaseModel):
    name: str
    age: int


@tool
def get_weather(city: str) -> str:
    """Weather in a city"""
    return f"18 degrees in {city}"


@pytest.fixture(params=[False, True], ids=["whole", "stream"])
def say(request, model):
    """Asks the model, in one of two ways; what a stream gave is joined as LangChain joins it."""

    def run(messages, tools=(), **settings):
        chat = chat_of(model, **settings)
        if tools:
            chat = chat.bind_tools(list(tools))
        if not request.param:
            return chat.invoke(messages)
        chunks = list(chat.stream(messages))
        assert len(chunks) > 2
        return reduce(lambda before, chunk: before + chunk, chunks)

    return run


def chat_of(model, **settings):
    url, key = os.environ["SERVER_URL"] + "/v1", os.environ["SERVER_KEY"]
    return ChatOpenAI(model=model, base_url=url, api_key=key, use_responses_api=True, max_retries=0, **settings)


def thought(message):
    return "".join(block.get("reasoning", "") for block in message.content_blocks if block["type"] == "reasoning")


def weather(message):
    return [ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"]) for call in message.tool_calls]


def test_it_answers_in_text(say):
    message = say("Good morning")
    assert "Good morning" in message.text
    assert message.response_metadata["status"] == "completed"
    assert message.usage_metadata["input_tokens"] > 0 and message.usage_metadata["output_tokens"] > 0


def test_many_streams_at_once(model):
    async def one(chat, n):
        pieces = [chunk.text async for chunk in chat.astream(f"Number {n}")]
        assert len(pieces) > 2 and f"Number {n}" in "".join(pieces)

    async def all_of_them():
        # One of its own: LangChain keeps a client beyond the loop that its connections belong to.
        async with openai.DefaultAsyncHttpxClient() as http:
            chat = chat_of(model, http_async_client=http)
            await asyncio.gather(*(one(chat, n) for n in range(10)))

    asyncio.run(all_of_them())


@pytest.mark.parametrize("by_id", [False, True], ids=["by hand", "by id"])
def test_a_conversation_remembers(say, by_id):
    messages = [HumanMessage("My name is Ada.")]
    messages += [say(messages, use_previous_response_id=by_id), HumanMessage("And again")]
    second = say(messages, use_previous_response_id=by_id)
    assert "My name is Ada." in second.text
    messages += [second, HumanMessage("Once more")]
    assert "My name is Ada." in say(messages, use_previous_response_id=by_id).text


@pytest.mark.parametrize("settings", [{}, EFFORT, SUMMARY], ids=["plain", "effort", "summary"])
@pytest.mark.parametrize("by_id", [False, True], ids=["by hand", "by id"])
def test_tools_are_called_and_answered(say, settings, by_id):
    settings = {**settings, "use_previous_response_id": by_id}
    messages = [HumanMessage(ASK)]
    first = say(messages, [get_weather], **settings)
    assert [call["args"] for call in first.tool_calls] == [{"city": "Oslo"}, {"city": "Rome"}]
    second = say([*messages, first, *weather(first)], [get_weather], **settings)
    assert "18 degrees in Oslo" in second.text and "18 degrees in Rome" in second.text


@pytest.mark.parametrize("by_id", [False, True], ids=["by hand", "by id"])
def test_its_agent_runs_tools(model, by_id):
    agent = create_agent(chat_of(model, use_previous_response_id=by_id, **SUMMARY), [get_weather])
    asked = {"messages": [HumanMessage(ASK)]}
    done = agent.invoke(asked)["messages"]
    assert [message.type for message in done] == ["human", "ai", "tool", "tool", "ai"]
    assert "18 degrees in Oslo" in done[-1].text and "18 degrees in Rome" in done[-1].text
    said = "".join(
        chunk.text for chunk, _ in agent.stream(asked, stream_mode="messages") if isinstance(chunk, AIMessage)
    )
    assert "18 degrees in Oslo" in said


@pytest.mark.parametrize("version", ["responses/v1", "v1"])
def test_thoughts_are_shown(say, version):
    message = say("Good morning", output_version=version, **SUMMARY)
    assert thought(message) and "Good morning" in message.text


def test_thoughts_without_a_summary(say, provider):
    message = say("Good morning", **EFFORT)
    assert "Good morning" in message.text
    if provider in ("anthropic", "openai-responses"):
        assert thought(message)
    elif provider in ("openai-chat", "ollama") and not isinstance(message, AIMessageChunk):
        # Its streams know summaries only.
        assert [block for block in message.content if block.get("content")]


def test_thoughts_go_back_without_a_store(say):
    settings = {**SUMMARY, "store": False, "include": ["reasoning.encrypted_content"]}
    messages = [HumanMessage(ASK)]
    first = say(messages, [get_weather], **settings)
    second = say([*messages, first, *weather(first)], [get_weather], **settings)
    assert CAME_BACK in second.text


@pytest.mark.parametrize("version", ["responses/v1", "v1"])
def test_stored_thoughts_go_back(say, version):
    settings = {**SUMMARY, "output_version": version}
    messages = [HumanMessage(ASK)]
    first = say(messages, [get_weather], **settings)
    second = say([*messages, first, *weather(first)], [get_weather], **settings)
    assert CAME_BACK in second.text


def test_objects(model):
    chat = chat_of(model).with_structured_output(Person, method="json_schema")
    assert chat.invoke("This is Ada, 36 years old") == Person(name="Ada", age=36)


def test_the_token_budget(say):
    text = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    message = say(text, max_tokens=16)
    assert message.response_metadata["status"] == "incomplete"
    assert message.response_metadata["incomplete_details"] == {"reason": "max_output_tokens"}
    assert message.text


def test_a_tool_of_an_mcp_server(say):
    server = {
        "type": "mcp",
        "server_label": "notebook",
        "server_url": os.environ["MCP_URL"],
        "authorization": os.environ["MCP_TOKEN"],
        "require_approval": "never",
        "allowed_tools": ["add"],
    }
    messages = [HumanMessage("add 4 and 4")]
    first = say(messages, [server])
    assert "8" in first.text and not first.tool_calls
    kinds = [block["type"] for block in first.content]
    assert "mcp_list_tools" in kinds and "mcp_call" in kinds
    second = say([*messages, first, HumanMessage("Thank you")], [server])
    assert "Thank you" in second.text


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_errors(model, stream):
    def ask(ending, **settings):
        chat = chat_of(model + ending, **settings)
        return list(chat.stream("Good morning to you all")) if stream else chat.invoke("Good morning to you all")

    with pytest.raises(openai.RateLimitError) as caught:
        ask("-error-429")
    assert caught.value.code == "rate_limit_exceeded"
    with pytest.raises(openai.InternalServerError):
        ask("-error-500")
    with pytest.raises(openai.BadRequestError) as caught:
        ask("", temperature=5)
    assert caught.value.param == "temperature"
    for ending in ("-fail", "-cut"):
        with pytest.raises(openai.APIError) as caught:
            ask(ending)
        assert caught.value.message and caught.value.code
