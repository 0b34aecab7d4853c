"""Sessions with real servers: changes of their lists, restarts, and what becomes of programs."""

import os
import signal
from pathlib import Path

import pytest
from conftest import BEARER, TOKEN, Gateway, Notebook, http, names, server, stdio, until


@pytest.fixture
def own(tmp_path, upstream):
    """Servers of a single test."""
    started = []

    def start(kind, *args, **more):
        started.append(kind(*args, **more))
        return started[-1]

    yield start
    for process in reversed(started):
        process.stop(signal.SIGKILL)


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_list_that_changed_is_asked_for_again(tmp_path, upstream, own):
    notebook = own(Notebook, tmp_path, "notebook", "--token", TOKEN)
    gateway = own(Gateway, tmp_path / "gateway", upstream, [http("notebook", notebook.url, BEARER)])
    tool = server("notebook")
    for _ in range(3):
        assert "extra" not in names(gateway.ask("hello", tool), "notebook")
    assert notebook.counters()["methods"]["tools/list"] == 1
    gateway.call("switch it", tool)
    # The notification comes by a way of its own.
    until(lambda: "extra" in names(gateway.ask("hello", tool), "notebook"))
    call, _ = gateway.call("extra", {**tool, "allowed_tools": ["extra"]})
    assert call["output"] == "extra"
    assert notebook.counters()["methods"]["tools/list"] == 2


def test_a_server_that_comes_back_is_used_again(tmp_path, upstream, own):
    first = own(Notebook, tmp_path, "first", "--token", TOKEN)
    gateway = own(Gateway, tmp_path / "gateway", upstream, [http("notebook", first.url, BEARER)])
    tool = server("notebook")
    assert gateway.call("add 1", tool)[0]["output"] == "2"
    first.stop(signal.SIGKILL)
    second = own(Notebook, tmp_path, "second", "--token", TOKEN, port=first.port)
    call, _ = gateway.call("add 2", tool)
    assert call["output"] == "4", call
    assert second.counters()["calls"] == {"add": 1}


def test_a_server_that_is_away_is_a_424_until_it_is_back(tmp_path, upstream, own):
    first = own(Notebook, tmp_path, "first", "--token", TOKEN)
    gateway = own(Gateway, tmp_path / "gateway", upstream, [http("notebook", first.url, BEARER)])
    tool = server("notebook")
    gateway.ask("hello", tool)
    first.stop(signal.SIGKILL)
    until(lambda: gateway.post("add 1", tool)[0] == 424 or None)
    own(Notebook, tmp_path, "second", "--token", TOKEN, port=first.port)
    until(lambda: gateway.post("add 1", tool)[0] == 200, 40)
    assert gateway.call("add 2", tool)[0]["output"] == "4"


def test_a_program_that_died_is_started_again(tmp_path, upstream, own):
    gateway = own(Gateway, tmp_path / "gateway", upstream, [stdio("program")])
    tool = server("program")
    assert gateway.call("echo one", tool)[0]["output"] == "Echo: echo one"
    [pid] = gateway.children()
    os.kill(pid, signal.SIGKILL)
    assert gateway.call("echo two", tool)[0]["output"] == "Echo: echo two"
    [again] = gateway.children()
    assert again != pid


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["TERM", "KILL"])
def test_programs_end_with_the_server(tmp_path, upstream, own, how):
    gateway = own(Gateway, tmp_path / "gateway", upstream, [stdio("program")])
    gateway.call("echo", server("program"))
    [pid] = gateway.children()
    gateway.stop(how)
    until(lambda: not is_running(pid), 5)
