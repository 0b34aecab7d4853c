"""Our server between a scripted model and real MCP servers, all as processes of their own."""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TOKEN = "s3cret"
KEY = "client-key-of-tests"
# Whose requests `Gateway.asked` sees.
MODEL = "openai-responses/gpt-5.1"


def until(what, seconds=15):
    """Waits until `what()` is true, and gives its value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := what():
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what}")


def fetch(url, body=None):
    """Status and text of a URL."""
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def read(path):
    return path.read_text() if path.exists() else ""


class Process:
    def __init__(self, command, folder, name, **settings):
        self.log = folder / f"{name}.log"
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(list(map(str, command)), stdout=log, stderr=log, **settings)

    def stop(self, how=signal.SIGTERM):
        if self.child.poll() is None:
            self.child.send_signal(how)
        self.child.wait(20)


class Notebook(Process):
    """`server.py`."""

    def __init__(self, folder, name, *options, port=0):
        told = folder / f"{name}.port"
        told.unlink(missing_ok=True)
        command = [os.environ["MCP_PYTHON"], HERE / "server.py", told, "--port", port, *options]
        super().__init__(command, folder, name)
        self.port = int(until(lambda: read(told), 60))
        self.url = f"http://127.0.0.1:{self.port}/mcp"

    def counters(self):
        return json.loads(fetch(f"http://127.0.0.1:{self.port}/counters")[1])


class Gateway(Process):
    """Our server. `mcp`: tables of its configuration."""

    def __init__(self, folder, upstream, mcp, allowed=()):
        folder.mkdir()
        hosts = json.dumps([f"127.0.0.1:{port}" for port in allowed])
        config = [
            '[server]\nbind = "127.0.0.1:0"\nkeepalive_s = 1\n[auth]\nclient_keys_env = "CLIENT_KEY"',
            f"[security]\nallow_private_hosts = {hosts}",
            f'[providers.openai-responses]\nkind = "openai-responses"\nbase_url = "{upstream}/openai-responses/v1"',
            'api_key_env = "UPSTREAM_KEY"',
            *mcp,
        ]
        (folder / "config.toml").write_text("\n".join(config))
        env = {**os.environ, "CLIENT_KEY": KEY, "UPSTREAM_KEY": "upstream-key", "NOTEBOOK": f"Bearer {TOKEN}"}
        super().__init__([os.environ["OPEN_RESPONSES_BIN"]], folder, "server", cwd=folder, env=env)
        address = lambda: next((w for w in read(self.log).split() if w.startswith("http://127.0.0.1:")), None)
        self.url, self.upstream = until(address), upstream

    def post(self, text, *tools, **more):
        """Status and body."""
        body = {"model": MODEL, "input": text, "tools": list(tools), **more}
        status, text = fetch(f"{self.url}/v1/responses", body)
        return status, text if more.get("stream") else json.loads(text)

    def ask(self, text, *tools, **more):
        """The response, which is complete."""
        status, response = self.post(text, *tools, **more)
        assert (status, response.get("status")) == (200, "completed"), response
        return response

    def call(self, text, *tools, **more):
        """The one call of the response, and the response."""
        response = self.ask(text, *tools, **more)
        [call] = [item for item in response["output"] if item["type"] == "mcp_call"]
        return call, response

    def result_for_model(self):
        """Output of the last call, as the model got it in its last turn."""
        asked = json.loads(fetch(f"{self.upstream}/asked")[1])[-1]
        return [item["output"] for item in asked["input"] if item["type"] == "function_call_output"][-1]

    def children(self):
        """Programs of MCP servers; not the one that watches over them."""
        tasks = Path(f"/proc/{self.child.pid}/task").glob("*/children")
        pids = sorted({int(pid) for task in tasks for pid in task.read_text().split()})
        return [pid for pid in pids if b"watch-programs" not in Path(f"/proc/{pid}/cmdline").read_bytes()]


def server(label, **more):
    """The tool of a request; nothing asks for approval unless it is said."""
    return {"type": "mcp", "server_label": label, "require_approval": "never", **more}


def names(response, label):
    """Tools of the list that the response shows."""
    lists = [item for item in response["output"] if item["type"] == "mcp_list_tools"]
    [tools] = [item["tools"] for item in lists if item["server_label"] == label]
    return [tool["name"] for tool in tools]


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("mcp")


@pytest.fixture(scope="session")
def upstream(folder):
    told = folder / "upstream.port"
    process = Process(["python3", HERE.parent / "sdk/upstream/upstream.py", told], folder, "upstream")
    yield f"http://127.0.0.1:{until(lambda: read(told))}"
    process.stop()
    assert read(process.log) == ""


@pytest.fixture(scope="session")
def notebook(folder):
    process = Notebook(folder, "notebook", "--token", TOKEN, "--page-size", 4)
    yield process
    process.stop()


@pytest.fixture(scope="session")
def everything(folder):
    """The port of `server-everything` over streamable HTTP."""
    told = folder / "everything.port"
    env = {**os.environ, "PORT": "0", "PORT_FILE": str(told)}
    command = ["node", "--require", HERE / "loopback.cjs", os.environ["MCP_EVERYTHING"], "streamableHttp"]
    process = Process(command, folder, "everything", env=env)
    yield int(until(lambda: read(told), 60))
    process.stop()


def stdio(label):
    return f'[mcp.{label}]\ncommand = ["node", "{os.environ["MCP_EVERYTHING"]}", "stdio"]'


def http(label, url, *keys):
    return "\n".join([f'[mcp.{label}]\nurl = "{url}"', *keys])


BEARER = 'headers = { authorization = { env = "NOTEBOOK" } }'


@pytest.fixture(scope="session")
def gateway(folder, upstream, notebook, everything):
    tables = [
        stdio("program"),
        http("everything", f"http://127.0.0.1:{everything}/mcp"),
        http("notebook", notebook.url, BEARER, 'allow_client_headers = ["authorization"]'),
        http("hurried", notebook.url, BEARER, "timeout_s = 1", "max_output_bytes = 1000"),
        http("keyless", notebook.url),
    ]
    process = Gateway(folder / "gateway", upstream, tables, allowed=[notebook.port, everything])
    yield process
    process.stop()
    lines = read(process.log).splitlines()
    assert not [line for line in lines if "ERROR" in line or "panicked" in line]
