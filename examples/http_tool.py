#!/usr/bin/env python3
"""An HTTP tool: an endpoint that the server asks when the model calls `get_weather`. Needs nothing but Python.

    python3 examples/http_tool.py &
    open-responses --config examples/http_tool.toml &
    curl http://127.0.0.1:4000/v1/responses -H 'content-type: application/json' \
        -d '{"model": "demo", "input": "What is the weather in Oslo?", "tools": [{"type": "function", "name": "get_weather"}]}'
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WEATHER = {"oslo": "18 degrees and sunny", "rome": "31 degrees and dry"}


class Tool(BaseHTTPRequestHandler):
    def do_POST(self):
        # The body is the arguments, which have passed the schema. The headers say which call it is.
        arguments = json.loads(self.rfile.read(int(self.headers["content-length"])))
        print("call", self.headers["openresponses-call-id"], "of", self.headers["openresponses-response-id"], flush=True)
        weather = WEATHER.get(arguments["city"].lower())
        if weather:
            self.answer(200, json.dumps({"city": arguments["city"], "weather": weather}))
        else:
            # From 400 on it is an error, and the model reads the body.
            self.answer(404, "no weather is known for " + arguments["city"])

    def answer(self, status, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("content-type", "application/json" if status == 200 else "text/plain; charset=utf-8")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


port = int(sys.argv[1]) if len(sys.argv) > 1 else 8090
server = ThreadingHTTPServer(("127.0.0.1", port), Tool)
print(f"get_weather listens on http://127.0.0.1:{server.server_port}/", flush=True)
server.serve_forever()
