#!/usr/bin/env python3
"""Mixed traffic for some minutes, and the memory of the server over that time: it should come to stand still.

    cargo build --release && python3 tests/load/soak.py [--binary PATH] [--minutes 30] [--clients 12] [--pause 0]

Stored and other responses, streams that are read, left and not read, background responses with readers, chains, large
bodies and deletions, of the built-in demo, by some clients at once, which may rest for a while after each. Stored responses are deleted, so that what grows is
not what is kept. Prints a line every ten seconds. Standard library only, on loopback; it ends what it starts.
"""
import argparse
import json
import os
import random
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


def ask(port, method, path, body=None):
    data = json.dumps(body).encode() if body is not None else None
    address = f"http://127.0.0.1:{port}/v1/responses{path}"
    request = urllib.request.Request(address, data, {"content-type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=120) as answer:
        return answer.read()


def create(port, **body):
    return json.loads(ask(port, "POST", "", {"model": "demo", "input": "Hi", **body}))["id"]


def delete(port, *ids):
    for one in ids:
        ask(port, "DELETE", f"/{one}")


def unary(port):
    create(port, store=False)


def chain(port):
    first = create(port, input="word " * random.randint(1, 2000))
    second = create(port, previous_response_id=first)
    delete(port, second, first)


def large(port):
    delete(port, create(port, input="word " * random.randint(100_000, 400_000)))


def stream(port):
    body = {"model": "demo-long-2000", "input": "Hi", "stream": True, "store": False}
    assert ask(port, "POST", "", body).endswith(b"data: [DONE]\n\n")


def background(port):
    body = {"model": "demo-long-2000", "input": "Hi", "stream": True, "background": True}
    text = ask(port, "POST", "", body)
    at = text.index(b"resp_")
    one = text[at : at + 37].decode()
    assert ask(port, "GET", f"/{one}?stream=true") == text
    delete(port, one)


def left(port):
    """A stream that is left in the middle, after a while in which it was not read."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        body = json.dumps({"model": "demo-long-20000", "input": "Hi", "stream": True, "store": False})
        head = f"POST /v1/responses HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
        client.sendall((head + body).encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
        time.sleep(random.random())


TRAFFIC = [unary, unary, chain, large, stream, stream, background, left, left]


def resident(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", default=TARGET / "release" / "open-responses")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--clients", type=int, default=12)
    parser.add_argument("--pause", type=float, default=0, help="seconds that a client rests after each request")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command = [str(options.binary), "--bind", "127.0.0.1:0"]
        server = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        port = int(server.stdout.readline().strip().rsplit(":", 1)[1])
        end, done, faults = time.time() + 60 * options.minutes, [0] * options.clients, []

        def client(number):
            while time.time() < end and not faults:
                try:
                    random.choice(TRAFFIC)(port)
                except Exception as error:  # noqa: BLE001, whatever it is, it is told
                    faults.append(error)
                done[number] += 1
                time.sleep(options.pause)

        clients = [threading.Thread(target=client, args=(number,)) for number in range(options.clients)]
        for one in clients:
            one.start()
        begin, seen = time.time(), []
        while time.time() < end and not faults:
            time.sleep(10)
            seen.append(resident(server.pid))
            print(f"{time.time() - begin:6.0f} s  {sum(done):8} done  {seen[-1]:6.0f} MiB", flush=True)
        for one in clients:
            one.join()
        server.terminate()
        server.wait(60)
    if faults:
        raise faults[0]
    quarter = max(len(seen) // 4, 1)
    print(f"largest in each quarter: {[round(max(seen[n * quarter :][:quarter] or [0])) for n in range(4)]} MiB")


main()
