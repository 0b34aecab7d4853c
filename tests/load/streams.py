#!/usr/bin/env python3
"""What streams cost whose clients read nothing, little, or all they get.

    cargo build --release && python3 tests/load/streams.py [--binary PATH] [--model demo] TRIAL [COUNT]

    unread 2000      clients that ask and never read; memory of the process for each, when it stands still
    slow 50          clients that read 1 KB/s of some 5 MB each
    saturated 16     clients that read all they get of 100,000 chunks each; CPU time of the process for a chunk

The provider is a process of its own that writes each token as a piece of a chunked body (Chat Completions) as fast as it
is read, or the built-in demo (`--model demo`: `unread` and `slow` only). Standard library only; it starts and ends all
that it needs, on loopback.
"""
import argparse
import json
import os
import resource
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
TOKEN = " performance"
CHUNKS = {"unread": 25_000, "slow": 20_000, "saturated": 100_000}


def provider(chunks, ready):
    """Serves every connection on a thread; ends with the process."""

    def piece(text):
        data = text.encode()
        return f"{len(data):x}\r\n".encode() + data + b"\r\n"

    def chunk(delta, reason):
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return "data: " + json.dumps({"id": "c", "object": "chat.completion.chunk", "choices": [choice]}) + "\n\n"

    token = piece(chunk({"content": TOKEN}, None))
    block = token * 1000
    end = piece(chunk({}, "stop")) + piece("data: [DONE]\n\n") + b"0\r\n\r\n"
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"

    def serve(connection):
        try:
            while b"\r\n\r\n" not in connection.recv(65536):
                pass
            connection.sendall(head)
            for _ in range(chunks // 1000):
                connection.sendall(block)
            connection.sendall(end)
        except OSError:
            pass
        finally:
            connection.close()

    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    print(listener.getsockname()[1], file=ready, flush=True)
    threading.stack_size(128 * 1024)
    while True:
        connection, _ = listener.accept()
        # So that what waits here is small beside what waits in the server.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * 1024)
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


class Server:
    def __init__(self, binary, upstream):
        self.folder = tempfile.TemporaryDirectory()
        config = "server.client_write_timeout_s = 600\nproviders.demo.enabled = true\n"
        if upstream:
            config += f"[providers.up]\nkind = 'openai-chat'\nbase_url = 'http://127.0.0.1:{upstream}/v1'\n"
        (Path(self.folder.name) / "config.toml").write_text(config)
        command = [str(binary), "--bind", "127.0.0.1:0"]
        self.process = subprocess.Popen(
            command, cwd=self.folder.name, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.port = int(self.process.stdout.readline().strip().rsplit(":", 1)[1])
        self.pid = self.process.pid

    def memory(self):
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) * 1024
        return 0

    def cpu(self):
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def settled(self):
        """Memory at its highest, when it has stood still for three seconds."""
        most, since = 0, time.time()
        while time.time() - since < 3:
            now = self.memory()
            if now > most + (1 << 20):
                since = time.time()
            most = max(most, now)
            time.sleep(0.1)
        return most

    def open(self, model, buffer=None):
        client = socket.socket()
        if buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        client.connect(("127.0.0.1", self.port))
        body = json.dumps({"model": model, "input": "Hi", "stream": True, "store": False}).encode()
        head = f"POST /v1/responses HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
        client.sendall(head.encode() + body)
        return client

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


def unread(server, model, count):
    clients = [server.open(model, 4096) for _ in range(count)]
    return clients, f"{count} clients that never read"


def slow(server, model, count):
    clients = [server.open(model, 4096) for _ in range(count)]
    for _ in range(20):
        time.sleep(1)
        for client in clients:
            assert client.recv(1000), "a slow client was dropped"
    return clients, f"{count} clients that read 1 KB/s"


def saturated(server, model, count):
    clients = {client.fileno(): client for client in (server.open(model) for _ in range(count))}
    tails, total = dict.fromkeys(clients, b""), 0
    poll = select.poll()
    for descriptor in clients:
        poll.register(descriptor, select.POLLIN)
    begin, cpu = time.time(), server.cpu()
    while clients:
        for descriptor, _ in poll.poll():
            data = clients[descriptor].recv(1 << 20)
            total += len(data)
            tails[descriptor] = (tails[descriptor] + data)[-64:]
            if b"data: [DONE]" in tails[descriptor]:
                poll.unregister(descriptor)
                clients.pop(descriptor).close()
            assert data, tails[descriptor]
    took, used, chunks = time.time() - begin, server.cpu() - cpu, count * CHUNKS["saturated"]
    print(f"{chunks:,} chunks in {took:.1f} s: {used / chunks * 1e6:.2f} us CPU each, {total / chunks:.0f} bytes each")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", default=TARGET / "release" / "open-responses")
    parser.add_argument("--model", default="up/m")
    parser.add_argument("--provider", type=int, help=argparse.SUPPRESS)
    parser.add_argument("trial", choices=["unread", "slow", "saturated"], nargs="?")
    parser.add_argument("count", type=int, nargs="?")
    options = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if options.provider:
        return provider(options.provider, sys.stdout)
    model = {"demo": "demo-long-20000"}.get(options.model, options.model)
    play = [sys.executable, __file__, "--provider", str(CHUNKS[options.trial])]
    upstream = subprocess.Popen(play, stdout=subprocess.PIPE, text=True)
    server = Server(options.binary, int(upstream.stdout.readline()))
    try:
        if options.trial == "saturated":
            return saturated(server, model, options.count or 16)
        server.open(model).recv(1000)
        before = server.memory()
        trial = {"unread": (unread, 2000), "slow": (slow, 50)}[options.trial]
        clients, what = trial[0](server, model, options.count or trial[1])
        after = server.settled()
        cost = after - before
        print(f"{what}, {options.model}: {after / 2**20:.0f} MiB in all, {cost / len(clients) / 1024:.0f} KiB each")
    finally:
        server.stop()
        upstream.kill()
        upstream.wait()


main()
