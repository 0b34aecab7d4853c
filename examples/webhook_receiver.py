"""Is told when background responses are over: checks the signature of each event, then fetches the response.

    pip install openai
    export APP_WEBHOOK_SECRET=whsec_$(openssl rand -base64 32)
    python examples/webhook_receiver.py 9000 http://127.0.0.1:4000 &
    open-responses --config examples/webhook.toml &
    curl http://127.0.0.1:4000/v1/responses -H 'content-type: application/json' \
        -d '{"model": "demo-slow", "input": "Hello!", "background": true}'

A server with client keys wants one in OPEN_RESPONSES_KEY.
"""

import os
import queue
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from openai import InvalidWebhookSignatureError, OpenAI

port = int(sys.argv[1]) if len(sys.argv) > 1 else 9000
url = sys.argv[2] if len(sys.argv) > 2 else "http://127.0.0.1:4000"
client = OpenAI(
    base_url=f"{url}/v1",
    api_key=os.environ.get("OPEN_RESPONSES_KEY", "none"),
    webhook_secret=os.environ["APP_WEBHOOK_SECRET"],
)
todo = queue.Queue()
# An event may come twice, under the same id. A real receiver keeps them where a restart finds them.
seen = set()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        try:
            event = client.webhooks.unwrap(body, dict(self.headers))
        except InvalidWebhookSignatureError as error:
            print("refused:", error, flush=True)
            self.answer(400)
            return
        # The server waits for the answer, and not for the work.
        self.answer(204)
        if event.id not in seen:
            seen.add(event.id)
            todo.put(event)

    def answer(self, status):
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def work():
    while True:
        event = todo.get()
        response = client.responses.retrieve(event.data.id)
        print(f"{event.type}: {response.output_text}", flush=True)


threading.Thread(target=work, daemon=True).start()
server = ThreadingHTTPServer(("127.0.0.1", port), Receiver)
print(f"waiting for events on http://127.0.0.1:{server.server_port}/", flush=True)
server.serve_forever()
