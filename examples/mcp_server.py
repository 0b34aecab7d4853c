#!/usr/bin/env python3
"""An MCP server with two tools, as a program that the server starts. Any language will do, and any MCP library; this
one has no packages: MCP over standard input and output is JSON-RPC, a message on each line.

    open-responses --config examples/mcp.toml &
    curl http://127.0.0.1:4000/v1/responses -H 'content-type: application/json' -d '{"model": "demo",
        "input": "Read me the list", "tools": [{"type": "mcp", "server_label": "notes"}]}'

`write_note` waits for an approval: examples/mcp.toml says so. examples/run.sh shows how it is given.
"""

import json
import sys

VERSIONS = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"]
NOTES = ["water the plants"]


def read_list(arguments):
    return "\n".join(NOTES)


def write_note(arguments):
    text = arguments.get("text", "").strip()
    if not text:
        raise ValueError("the note is empty")
    NOTES.append(text)
    return f"note {len(NOTES)} is written: {text}"


RUN = {"read_list": read_list, "write_note": write_note}
TOOLS = [
    {
        "name": "read_list",
        "description": "All notes.",
        "inputSchema": {"type": "object"},
        "annotations": {"readOnlyHint": True},
    },
    {
        "name": "write_note",
        "description": "Writes a note down.",
        "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
    },
]


class RpcError(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.error = {"code": code, "message": message}


def answer(method, params):
    if method == "initialize":
        asked = params.get("protocolVersion")
        return {
            "protocolVersion": asked if asked in VERSIONS else VERSIONS[0],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "notes", "version": "1.0.0"},
        }
    if method == "ping":
        return {}
    if method == "tools/list":
        return {"tools": TOOLS}
    if method == "tools/call":
        if params.get("name") not in RUN:
            raise RpcError(-32602, f"no such tool: {params.get('name')}")
        try:
            text, failed = RUN[params["name"]](params.get("arguments") or {}), False
        except Exception as error:
            # The model reads it and may do better.
            text, failed = str(error), True
        return {"content": [{"type": "text", "text": text}], "isError": failed}
    raise RpcError(-32601, f"no such method: {method}")


# Ends when the server closes its input. What is said on standard error is in the server's log, if RUST_LOG is debug.
for line in sys.stdin:
    message = json.loads(line)
    if "method" not in message or "id" not in message:
        continue  # A notification wants no answer.
    reply = {"jsonrpc": "2.0", "id": message["id"]}
    try:
        reply["result"] = answer(message["method"], message.get("params") or {})
    except RpcError as error:
        reply["error"] = error.error
    print(json.dumps(reply), flush=True)
