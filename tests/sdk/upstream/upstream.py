"""A scripted upstream that speaks the wires of all five provider kinds. Standard library only.

    python3 upstream.py PORT_FILE

listens on a free loopback port, writes it to PORT_FILE, and serves `/<kind>/…` until it is stopped. The key it takes
is `upstream-key`; another one gets the wire's 401. What it answers is in `model.py`, how in `wires`. `GET /asked` has
the last requests for an answer.
"""

import json
import os
import sys
import time
import traceback
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from model import Refused, answer
from wires import WIRES

class Server(ThreadingHTTPServer):
    """Reports what goes wrong, but for a gateway that closes a connection: that is its right at any time."""

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], (ConnectionResetError, BrokenPipeError)):
            super().handle_error(request, client_address)


KEY = "upstream-key"
# The last requests for an answer, the newest last.
ASKED = deque(maxlen=32)
# Before each frame of a slow answer, in seconds; `demo-slow` is as slow.
PAUSE = 0.1
# The counters, by the end of their paths, and the member of their answers.
COUNTERS = {"/responses/input_tokens": "input_tokens", "/messages/count_tokens": "input_tokens", ":countTokens": "totalTokens"}
# What a wire wants of a request and its counter refuses.
SAMPLING = {"store": False, "stream": False, "max_tokens": 1024}
# The lists of models.
LISTS = {
    "/openai-responses/v1/models": {"object": "list", "data": [{"id": "listed", "object": "model", "created": 1700000000}]},
    "/openai-chat/v1/models": {"data": [{"id": "listed", "created": 1700000000, "max_model_len": 4096}]},
    "/anthropic/v1/models": {"data": [{"id": "listed", "max_input_tokens": 4096}], "has_more": False},
    "/gemini/v1beta/models": {"models": [{"name": "models/listed", "inputTokenLimit": 4096}]},
    "/ollama/api/tags": {"models": [{"name": "listed"}]},
}


class Upstream(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        path = self.path.partition("?")[0]
        if path == "/asked":
            return self.reply(200, list(ASKED))
        wire = next((wire for wire in WIRES if path.split("/")[1] == wire.path.split("/")[1]), None)
        if wire is None or path not in LISTS:
            return self.reply(404, {"error": f"no such path: {self.path}"})
        if wire.key(self.headers) != KEY:
            return self.reply(401, wire.error(401, "scripted: wrong key"))
        self.reply(200, LISTS[path])

    def do_POST(self):
        wire = next((wire for wire in WIRES if self.path.startswith(wire.path)), None)
        counter = next((member for end, member in COUNTERS.items() if self.path.endswith(end)), None)
        raw = self.rfile.read(int(self.headers["content-length"]))
        if wire is None:
            return self.reply(404, {"error": f"no such path: {self.path}"})
        try:
            if wire.key(self.headers) != KEY:
                raise Refused(401, "scripted: wrong key")
            body = json.loads(raw)
            ASKED.append(body)
            if counter:
                body = body.get("generateContentRequest", body)
                assert not SAMPLING.keys() & body.keys(), "a counter takes no more than the prompt"
                body |= SAMPLING
            ask = wire.read(body, self.path)
            said = answer(ask)
        except Refused as no:
            return self.reply(no.status, wire.error(no.status, no.text))
        except Exception:
            print(raw.decode(), file=sys.stderr)
            traceback.print_exc()
            return self.reply(400, wire.error(400, "the upstream cannot read this request"))
        if counter:
            return self.reply(200, {counter: said.tokens_in})
        if ask.stream:
            return self.stream(wire, ask, said)
        if said.mode == "fail":
            return self.reply(500, wire.error(500, "scripted failure"))
        self.reply(200, wire.whole(ask, said), cut=said.mode == "cut")

    def reply(self, status, body, cut=False):
        raw = json.dumps(body, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        if status == 429:
            self.send_header("retry-after", "7")
        self.end_headers()
        self.wfile.write(raw[: len(raw) // 2] if cut else raw)
        self.close_connection = cut

    def stream(self, wire, ask, said):
        self.send_response(200)
        self.send_header("content-type", wire.media)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for n, frame in enumerate(wire.frames(ask, said)):
            if said.mode == "cut" and n == 4:
                self.close_connection = True
                return
            if said.mode == "slow":
                time.sleep(PAUSE)
            self.wfile.write(b"%x\r\n%s\r\n" % (len(frame), frame))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        pass


def main():
    server = Server(("127.0.0.1", 0), Upstream)
    server.daemon_threads = True
    part = sys.argv[1] + ".part"
    with open(part, "w") as file:
        file.write(str(server.server_port))
    os.rename(part, sys.argv[1])
    server.serve_forever()


if __name__ == "__main__":
    main()
