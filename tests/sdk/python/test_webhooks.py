"""Events of background responses, as `webhooks.unwrap` of the SDK reads them."""

import os
import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import openai
import pytest

SECRET = os.environ["HOOK_SECRET"]


@pytest.fixture(scope="module")
def events():
    """What comes to the endpoint of this suite: headers and body as they are."""
    told = queue.Queue()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            told.put((dict(self.headers), self.rfile.read(int(self.headers["content-length"])).decode()))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["HOOK_PORT_PYTHON"])), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield told
    server.shutdown()


@pytest.fixture(scope="module")
def hooked(client):
    return client.with_options(api_key=os.environ["HOOKED_KEY_PYTHON"])


def until(hooked, events, id):
    """The event of a response, unwrapped, with what it came in."""
    while True:
        headers, body = events.get(timeout=30)
        event = hooked.webhooks.unwrap(body, headers, secret=SECRET)
        if event.data.id == id:
            return event, headers, body


def test_an_event_is_unwrapped(hooked, events):
    queued = hooked.responses.create(model="demo-slow", input="Hello", background=True)
    event, headers, body = until(hooked, events, queued.id)
    assert type(event) is openai.types.webhooks.ResponseCompletedWebhookEvent
    assert (event.type, event.object, event.id) == ("response.completed", "event", headers["webhook-id"])
    assert abs(event.created_at - queued.created_at) < 60
    assert "Hello" in hooked.responses.retrieve(event.data.id).output_text
    with pytest.raises(openai.InvalidWebhookSignatureError):
        hooked.webhooks.unwrap(body.replace("completed", "cancelled"), headers, secret=SECRET)


def test_a_cancellation_is_unwrapped(hooked, events):
    queued = hooked.responses.create(model="demo-slow", input="A long story " * 50, background=True)
    hooked.responses.cancel(queued.id)
    event, *_ = until(hooked, events, queued.id)
    assert type(event) is openai.types.webhooks.ResponseCancelledWebhookEvent
