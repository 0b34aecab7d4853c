"""One client for the server under test, and the providers that every test is run against."""

import os

import pytest
from openai import OpenAI

# A provider and a model that its adapter knows; endings such as `-error-429` ask the upstream for trouble.
MODELS = {
    "demo": "demo",
    "openai-responses": "openai-responses/gpt-5.1",
    "openai-chat": "openai-chat/scripted",
    "anthropic": "anthropic/claude-opus-4-6",
    "gemini": "gemini/gemini-3-flash",
    "ollama": "ollama/qwen3",
}


@pytest.fixture(scope="session")
def client():
    return OpenAI(base_url=os.environ["SERVER_URL"] + "/v1", api_key=os.environ["SERVER_KEY"], max_retries=0)


@pytest.fixture(params=MODELS)
def provider(request):
    return request.param


@pytest.fixture
def model(provider):
    return MODELS[provider]


def pytest_terminal_summary(terminalreporter):
    counts = {key: len(terminalreporter.stats.get(key, [])) for key in ("passed", "failed", "error", "skipped")}
    failed = counts["failed"] + counts["error"]
    terminalreporter.write_line(f"{counts['passed']} passed, {failed} failed, {counts['skipped']} skipped")
