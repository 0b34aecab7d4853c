"""A real MCP server for tests: fastmcp over streamable HTTP, behind a bearer token, with counters.

    python server.py PORT_FILE [--port N] [--name NAME] [--token TOKEN] [--page-size N] [--json]

listens on a free loopback port or the given one, writes it to PORT_FILE, and serves `/mcp` until it is stopped.
`GET /counters` needs no token. Two of them have the same tools, whatever their names: that makes a clash.
"""

import argparse
import asyncio
import base64
import json
import os
import socket
from collections import Counter

import uvicorn
from fastmcp import Context, FastMCP
from fastmcp.exceptions import ToolError
from fastmcp.tools import Tool
from fastmcp.utilities.types import Image
from mcp.types import ToolListChangedNotification

# One pixel.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Counters:
    def __init__(self, name):
        self.name = name
        self.requests = 0  # but for the counters; refused ones too
        self.unauthorized = 0
        self.methods = Counter()  # of JSON-RPC
        self.calls = Counter()  # runs of tools, by name
        self.slow = Counter()  # started, finished, cancelled
        self.notes = []
        self.headers = {}  # of the last request that was let in, but for `authorization`


def tools(server, count):
    @server.tool(annotations={"readOnlyHint": True})
    def add(a: int, b: int) -> int:
        """Adds two numbers."""
        count.calls["add"] += 1
        return a + b

    @server.tool(annotations={"readOnlyHint": False, "destructiveHint": False})
    def write_note(text: str) -> str:
        """Writes a note."""
        count.calls["write_note"] += 1
        count.notes.append(text)
        return f"note {len(count.notes)} is written"

    @server.tool
    def fail() -> str:
        """Always fails."""
        count.calls["fail"] += 1
        raise ToolError("the notebook is locked")

    @server.tool
    async def slow(seconds: float, context: Context) -> str:
        """Takes its time, and tells its progress every tenth of a second."""
        count.calls["slow"] += 1
        count.slow["started"] += 1
        try:
            steps = max(1, round(seconds * 10))
            for step in range(steps):
                await context.report_progress(step, steps, f"step {step} of {steps}")
                await asyncio.sleep(seconds / steps)
        except asyncio.CancelledError:
            count.slow["cancelled"] += 1
            raise
        count.slow["finished"] += 1
        return f"that took {seconds} s"

    @server.tool
    def huge(kib: int) -> str:
        """A long text."""
        count.calls["huge"] += 1
        return "0123456789abcdef" * 64 * kib

    @server.tool
    def picture() -> Image:
        """A small picture."""
        count.calls["picture"] += 1
        return Image(data=PNG, format="png")

    @server.tool(output_schema={"type": "object", "properties": {"c": {"type": "integer"}}, "required": ["c"]})
    def structured() -> dict:
        """The weather, as an object."""
        count.calls["structured"] += 1
        return {"c": 7, "sky": ["clear", "blue"]}

    @server.tool(name="notes.count")
    def notes_count() -> int:
        """How many notes there are; its name has a dot."""
        count.calls["notes.count"] += 1
        return len(count.notes)

    @server.tool
    async def switch_extra(on: bool, context: Context) -> str:
        """Adds or removes the tool `extra`, and says that the list has changed."""
        count.calls["switch_extra"] += 1
        if on:
            server.add_tool(Tool.from_function(extra))
        else:
            server.local_provider.remove_tool("extra")
        await context.send_notification(ToolListChangedNotification())
        return "on" if on else "off"

    def extra() -> str:
        """Is there only when it is switched on."""
        count.calls["extra"] += 1
        return "extra"


async def whole(receive):
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body, message["type"] == "http.disconnect"


class Gate:
    """Counts, and lets in who has the token."""

    def __init__(self, app, count, token):
        self.app, self.count, self.token = app, count, token

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        if scope["path"] == "/counters":
            return await answer(send, 200, vars(self.count))
        self.count.requests += 1
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        if self.token and headers.get("authorization") != f"Bearer {self.token}":
            self.count.unauthorized += 1
            # A client would look for an authorization server behind a fuller one.
            return await answer(send, 401, {"error": "invalid_token"}, (b"www-authenticate", b"Bearer"))
        self.count.headers = {name: value for name, value in headers.items() if name != "authorization"}
        if scope["method"] == "POST":
            body, gone = await whole(receive)
            asked = json.loads(body or b"{}") if not gone else {}
            if "method" in asked:
                self.count.methods[asked["method"]] += 1
            receive = replay(body, receive)
        else:
            self.count.methods[scope["method"]] += 1
        await self.app(scope, receive, send)


def replay(body, receive):
    given = False

    async def again():
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def answer(send, status, body, *headers):
    start = {"type": "http.response.start", "status": status}
    await send({**start, "headers": [(b"content-type", b"application/json"), *headers]})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("port_file")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--name", default="notebook")
    parser.add_argument("--token", default="", help="without one everybody is let in")
    parser.add_argument("--page-size", type=int, help="tools on one page of tools/list")
    parser.add_argument("--json", action="store_true", help="answer with JSON, not with a stream")
    given = parser.parse_args()
    count = Counters(given.name)
    server = FastMCP(given.name, list_page_size=given.page_size)
    tools(server, count)
    app = Gate(server.http_app(path="/mcp", json_response=given.json), count, given.token)
    listener = socket.create_server(("127.0.0.1", given.port))
    with open(given.port_file + ".part", "w") as file:
        file.write(str(listener.getsockname()[1]))
    os.rename(given.port_file + ".part", given.port_file)
    # Streams of clients that stay would hold up the end.
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
