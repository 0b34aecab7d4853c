"""Shows the servers at work with the official client, over both generations of the protocol where they speak both.

    python probe.py URL TOKEN               every tool of `server.py`
    python probe.py URL                     `server-everything` over streamable HTTP
    python probe.py -- COMMAND [ARGUMENT]...    the same over stdio
"""

import asyncio
import json
import sys
import urllib.request

from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.exceptions import MCPError


def counters(url):
    with urllib.request.urlopen(url.removesuffix("/mcp") + "/counters") as answer:
        return json.load(answer)


def show(what, value):
    print(f"  {what:14} {str(value)[:150]}")


async def names(client):
    """All tools, over all pages."""
    found, pages, cursor = [], 0, None
    while True:
        page = await client.list_tools(cursor=cursor, cache_mode="bypass")
        found, pages, cursor = found + page.tools, pages + 1, page.next_cursor
        if cursor is None:
            return found, pages


async def probe(url, token, mode):
    heard, progress = [], []

    async def hear(message):
        heard.append(type(message).__name__)

    async def step(done, total, text):
        progress.append(done)

    async with (
        create_mcp_http_client(headers={"authorization": f"Bearer {token}"}) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode, message_handler=hear) as client,
    ):
        show("protocol", client.session.protocol_version)
        tools, pages = await names(client)
        show("tools", f"{len(tools)} on {pages} pages: {[tool.name for tool in tools]}")
        hints = {tool.name: tool.annotations.read_only_hint for tool in tools if tool.annotations}
        show("readOnlyHint", hints)

        async def call(name, **arguments):
            result = await client.call_tool(name, arguments)
            parts = [getattr(part, "text", None) or f"{part.mime_type}, {len(part.data)}" for part in result.content]
            show(name, f"isError={result.is_error} {parts} structured={str(result.structured_content)[:40]}")
            return result

        assert (await call("add", a=2, b=3)).content[0].text == "5"
        await call("write_note", text="milk")
        assert (await call("fail")).is_error
        assert len((await call("huge", kib=300)).content[0].text) == 300 * 1024
        assert (await call("picture")).content[0].type == "image"
        assert (await call("structured")).structured_content["c"] == 7
        await call("notes.count")
        await client.call_tool("slow", {"seconds": 0.5}, progress_callback=step)
        show("progress", progress)
        assert progress
        before = counters(url)["slow"]
        try:
            async with asyncio.timeout(0.5):
                await client.call_tool("slow", {"seconds": 30})
        except TimeoutError:
            pass
        for _ in range(50):
            if counters(url)["slow"].get("cancelled", 0) > before.get("cancelled", 0):
                break
            await asyncio.sleep(0.1)
        else:
            raise AssertionError("the server was not told")
        show("slow", counters(url)["slow"])
        await call("switch_extra", on=True)
        await call("extra")
        await call("switch_extra", on=False)
        assert (await client.call_tool("extra", {})).is_error
        await asyncio.sleep(0.2)
        show("heard", heard)
        assert heard.count("ToolListChangedNotification") == 2


async def everything(server):
    for mode in ("legacy", "auto"):
        print(mode)
        async with Client(server, mode=mode) as client:
            show("protocol", client.session.protocol_version)
            tools, pages = await names(client)
            show("tools", f"{len(tools)} on {pages} pages: {', '.join(tool.name for tool in tools)}")
            result = await client.call_tool("echo", {"message": "hello"})
            show("echo", result.content[0].text)
            assert "hello" in result.content[0].text
            result = await client.call_tool("get-structured-content", {"location": "Chicago"})
            show("structured", result.structured_content)
            result = await client.call_tool("get-tiny-image", {})
            show("image", [part.type for part in result.content])
            assert "image" in [part.type for part in result.content]


async def main():
    if sys.argv[1] == "--":
        return await everything(StdioServerParameters(command=sys.argv[2], args=sys.argv[3:]))
    if len(sys.argv) == 2:
        return await everything(sys.argv[1])
    url, token = sys.argv[1:]
    for mode in ("legacy", "auto"):
        print(mode)
        await probe(url, token, mode)
    print("wrong token")
    before = counters(url)
    try:
        await probe(url, "wrong", "legacy")
    except* MCPError as group:
        show("refused", group)
    after = counters(url)
    assert after["unauthorized"] > before["unauthorized"] and after["calls"] == before["calls"]
    for name, value in counters(url).items():
        show(name, value)


asyncio.run(main())
