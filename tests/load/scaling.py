#!/usr/bin/env python3
"""What one node holds: memory of open streams, background streams and their readers, long chains.

    cargo build --profile dist && python3 tests/load/scaling.py [STREAMS...]      default: 1000 5000

Starts the best binary on a free port with the built-in demo provider, so its CPU includes the demo's. Prints a
Markdown table for docs/scaling.md. Standard library only.
"""
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "dist" / "open-responses"
# The demo beside whatever keys are in the environment, and every place for background responses.
SETTINGS = {"OR__PROVIDERS__DEMO__ENABLED": "true", "OR__BACKGROUND__MAX_CONCURRENT": "1000000"}

# The demo's slow model says the input again, a word every 150 ms or so.
WORDS = " ".join(f"word{n}" for n in range(120))
CHAIN = 1000


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def status(pid, key):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) / 1024
    return 0.0


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def post(port, body):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/responses", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


class Stream:
    """One connection that reads a stream to its end."""

    def __init__(self, port):
        self.port = port
        self.id = None
        self.done = False

    async def open(self, method, path, body=None):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        data = json.dumps(body).encode() if body else b""
        head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\ncontent-type: application/json\r\n"
        self.writer.write(f"{head}content-length: {len(data)}\r\n\r\n".encode() + data)
        head = await self.reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head.split(b"\r\n")[0], head
        first = await self.reader.read(65536)
        while b"resp_" not in first:
            first += await self.reader.read(65536)
        at = first.index(b"resp_")
        self.id = first[at : at + 37].decode()

    async def finish(self):
        tail = b""
        while chunk := await self.reader.read(65536):
            tail = (tail + chunk)[-64:]
            if b"[DONE]" in tail:
                self.done = True
                break
        self.writer.close()


async def hold(port, pid, count, background, readers_each=0):
    """Opens streams, measures while all are open, reads them to the end."""
    before = status(pid, "VmRSS")
    begin, cpu = time.time(), cpu_seconds(pid)
    body = {"model": "demo-slow", "input": WORDS, "stream": True, "background": background, "store": background}
    streams = []
    for start in range(0, count, 250):
        batch = [Stream(port) for _ in range(min(250, count - start))]
        await asyncio.gather(*(stream.open("POST", "/v1/responses", body) for stream in batch))
        streams += batch
    opened = time.time() - begin
    readers = []
    for stream in streams[: 1 if readers_each else 0]:
        readers = [Stream(port) for _ in range(readers_each)]
        await asyncio.gather(*(r.open("GET", f"/v1/responses/{stream.id}?stream=true") for r in readers))
    memory = (status(pid, "VmRSS") - before) * 1024 / (count + len(readers))
    await asyncio.gather(*(stream.finish() for stream in streams + readers))
    failed = sum(not stream.done for stream in streams + readers)
    took, used = time.time() - begin, cpu_seconds(pid) - cpu
    return opened, memory, failed, used / took


def chain(port):
    """Seconds of a request without and with a long chain before it, newest last."""
    last, times = None, []
    for n in range(CHAIN + 3):
        body = {"model": "demo", "input": f"Turn {n}", "max_output_tokens": 64}
        if last:
            body["previous_response_id"] = last
        begin = time.time()
        last = post(port, body)["id"]
        times.append(time.time() - begin)
    return min(times[:10]), min(times[-3:])


async def measure(port, pid, counts):
    print("| what | count | all open after | memory each | not finished | cores used |")
    print("|---|---|---|---|---|---|")
    for count in counts:
        for name, background, readers in [
            ("foreground streams, not stored", False, 0),
            ("background streams, each with a reader", True, 0),
        ]:
            opened, memory, failed, cores = await hold(port, pid, count, background, readers)
            print(f"| {name} | {count} | {opened:.1f} s | {memory:.0f} KiB | {failed} | {cores:.2f} |", flush=True)
    opened, memory, failed, cores = await hold(port, pid, 1, True, counts[0])
    print(f"| readers of one background stream | {counts[0]} | | {memory:.0f} KiB | {failed} | {cores:.2f} |")


def main():
    counts = [int(n) for n in sys.argv[1:]] or [1000, 5000]
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        command = [BINARY, "--bind", f"127.0.0.1:{port}", "--data", f"{folder}/data"]
        server = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **SETTINGS})
        try:
            for _ in range(100):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/ready").close()
                    break
                except OSError:
                    time.sleep(0.1)
            print(f"idle: {status(server.pid, 'VmRSS'):.0f} MiB\n")
            asyncio.run(measure(port, server.pid, counts))
            short, long = chain(port)
            print(f"\none request: {short * 1e3:.1f} ms; the same behind {CHAIN} others: {long * 1e3:.1f} ms")
            print(f"peak: {status(server.pid, 'VmHWM'):.0f} MiB")
        finally:
            server.terminate()
            server.wait(60)


if __name__ == "__main__":
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    main()
