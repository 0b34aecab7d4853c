#!/usr/bin/env python3
"""What a round of tools costs beside the same provider turns without.

    cargo build --profile dist && python3 tests/load/tool_round.py [ROUNDS]      default: 8

Four ways to the same number of provider turns, on the best binary:

- server: one response; the server runs an HTTP tool on loopback that does nothing
- client: a response for each turn; the client sends the tool's result over `previous_response_id`
- plain: a response for each turn, with a text in place of each call, over `previous_response_id`
- bare: the same without a history and without storing: what a turn costs at least

The ways take turns, one connection at a time. Prints a Markdown table for docs/tool_dispatch.md: medians of the rounds,
and ratios within a round. The CPU is the server's alone; the wall time has the client's and the provider's in it, both
in Python. Standard library only.
"""
import asyncio
import http.client
import json
import multiprocessing
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from scaling import BINARY, cpu_seconds, free_port

CALLS = 8
TURNS = CALLS + 1
# Conversations of one way in one round; the clock of a process has steps of 10 ms.
REPEATS = 200
ASK = "What is the weather in each of the cities? " * 4
TEXT = "It is seven degrees and the sun shines over all of the cities."
PARAMETERS = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def message(turn, calls):
    """The provider's turn: a call with other arguments each time, since the server stops repetitions; then a text."""
    if calls and turn < CALLS:
        function = {"name": calls, "arguments": json.dumps({"n": turn})}
        call = {"id": f"call_{turn}", "type": "function", "function": function}
        return {"role": "assistant", "content": None, "tool_calls": [call]}
    return {"role": "assistant", "content": TEXT}


def whole(said, usage):
    reason = "tool_calls" if "tool_calls" in said else "stop"
    choice = {"index": 0, "message": said, "finish_reason": reason}
    head = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
    return json.dumps({**head, "choices": [choice], "usage": usage})


def frames(said, usage):
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    if "tool_calls" in said:
        [call] = said["tool_calls"]
        deltas, reason = [{"role": "assistant", "tool_calls": [{"index": 0, **call}]}], "tool_calls"
    else:
        deltas, reason = [{"content": word} for word in re.findall(r"\S+\s*", TEXT)], "stop"
    events = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    events.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    events.append({**head, "choices": [], "usage": usage})
    return "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"


async def provide(reader, writer, runs):
    """The provider and, at `/tool`, the tool, which counts its runs."""
    usage = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20}
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return writer.close()
        body = await reader.readexactly(int(re.search(rb"content-length: (\d+)", head, re.I).group(1)))
        kind = "application/json"
        if head.startswith(b"POST /tool"):
            runs.value += 1
            answer, kind = "7", "text/plain"
        else:
            request = json.loads(body)
            name = request["tools"][0]["function"]["name"] if "tools" in request else None
            said = message(sum(m["role"] == "tool" for m in request["messages"]), name)
            if request.get("stream"):
                answer, kind = frames(said, usage), "text/event-stream"
            else:
                answer = whole(said, usage)
        data = answer.encode()
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(data)}\r\n\r\n".encode() + data)


def upstream(port, runs):
    async def serve():
        server = await asyncio.start_server(lambda r, w: provide(r, w, runs), "127.0.0.1", port)
        await server.serve_forever()

    asyncio.run(serve())


class Client:
    def __init__(self, port, stream):
        self.connection = http.client.HTTPConnection("127.0.0.1", port)
        self.stream = stream

    def ask(self, given, before=None, tool=None, store=True):
        body = {"model": "up/m", "input": given, "stream": self.stream, "store": store}
        if before:
            body["previous_response_id"] = before["id"]
        if tool:
            body["tools"] = [{"type": "function", "name": tool, "parameters": PARAMETERS}]
        self.connection.request("POST", "/v1/responses", json.dumps(body), {"content-type": "application/json"})
        answer = self.connection.getresponse()
        text = answer.read()
        assert answer.status == 200, text
        if self.stream:
            text = re.search(rb"event: response.completed\ndata: (.*)", text).group(1)
        made = json.loads(text)
        return made.get("response", made)


def by_server(client):
    output = client.ask(ASK, tool="noop")["output"]
    assert [item["type"] for item in output] == ["function_call", "function_call_output"] * CALLS + ["message"]


def by_client(client):
    made = client.ask(ASK, tool="mine")
    for _ in range(CALLS):
        [call] = made["output"]
        result = {"type": "function_call_output", "call_id": call["call_id"], "output": "7"}
        made = client.ask([result], made, "mine")
    assert made["output"][0]["type"] == "message"


def plain(client):
    made = None
    for _ in range(TURNS):
        made = client.ask(ASK if made is None else "7", made)


def bare(client):
    for _ in range(TURNS):
        client.ask(ASK, store=False)


WAYS = {"server": by_server, "client": by_client, "plain": plain, "bare": bare}
# In the table.
NAMES = {"server": "the server", "client": "the client", "plain": "nobody", "bare": "nobody; no history, not stored"}


def measure(pid, client, way):
    """CPU of the server and wall time of one turn, in µs."""
    cpu, begin = cpu_seconds(pid), time.perf_counter()
    for _ in range(REPEATS):
        way(client)
    wall = time.perf_counter() - begin
    turns = REPEATS * TURNS
    return (cpu_seconds(pid) - cpu) / turns * 1e6, wall / turns * 1e6


def cell(values, unit=""):
    return f"{statistics.median(values):{unit}} ({min(values):{unit}}–{max(values):{unit}})"


def table(pid, port, runs, rounds):
    print("| answers | tools are run by | CPU of the server a turn, µs | × plain | wall time a turn, µs | × plain |")
    print("|---|---|---|---|---|---|")
    for stream in (False, True):
        client, taken = Client(port, stream), {name: [] for name in WAYS}
        for way in WAYS.values():
            way(client)
        for n in range(rounds):
            names = list(WAYS)
            for name in names[n % len(names) :] + names[: n % len(names)]:
                before = runs.value
                taken[name].append(measure(pid, client, WAYS[name]))
                assert runs.value - before == (REPEATS * CALLS if name == "server" else 0)
        for name, got in taken.items():
            cells = ["streamed" if stream else "whole", NAMES[name]]
            for at in (0, 1):
                cells.append(cell([one[at] for one in got], ".0f"))
                cells.append(cell([one[at] / base[at] for one, base in zip(got, taken["plain"])], ".2f"))
            print(f"| {' | '.join(cells)} |", flush=True)


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    runs, up, port = multiprocessing.Value("Q", 0), free_port(), free_port()
    provider = multiprocessing.Process(target=upstream, args=(up, runs), daemon=True)
    provider.start()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.toml").write_text(
            f'[providers.up]\nkind = "openai-chat"\nbase_url = "http://127.0.0.1:{up}/v1"\n'
            f'[tools.noop]\nkind = "http"\ndescription = "Weather"\nurl = "http://127.0.0.1:{up}/tool"\n'
            "parameters = { type = 'object', properties = { n = { type = 'integer' } }, required = ['n'] }\n"
        )
        command = [BINARY, "--bind", f"127.0.0.1:{port}", "--data", f"{folder}/data"]
        server = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            for _ in range(100):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/ready").close()
                    break
                except OSError:
                    time.sleep(0.1)
            print(f"{CALLS} calls, {TURNS} turns; {rounds} rounds of {REPEATS} conversations; {os.cpu_count()} cores\n")
            table(server.pid, port, runs, rounds)
        finally:
            server.terminate()
            server.wait()
            provider.terminate()


if __name__ == "__main__":
    main()
