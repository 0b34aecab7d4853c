"""Errors become the SDK's own exceptions."""

import os

import checks
import openai
import pytest


def test_an_unknown_model(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="no-such-model", input="Hello")
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": 5}, "temperature"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0].text"),
        ({"tools": [{"type": "function", "name": "a b"}]}, "tools[0].name"),
        ({"max_output_tokens": 1}, "max_output_tokens"),
        ({"include": ["nothing"]}, "include[0]"),
    ],
)
def test_a_bad_request_names_its_field(client, fields, param):
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(**{"model": "demo", "input": "Hello", **fields})
    assert caught.value.param == param and caught.value.code
    assert caught.value.type == "invalid_request_error"


def test_an_unknown_response(client):
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve("resp_" + "0" * 32)


def test_an_unknown_previous_response(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="demo", input="Hello", previous_response_id="resp_" + "0" * 32)
    assert (caught.value.code, caught.value.param) == ("previous_response_not_found", "previous_response_id")


def test_an_unstored_response_is_gone(client):
    made = client.responses.create(model="demo", input="Hello", store=False)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


def test_a_wrong_client_key():
    stranger = openai.OpenAI(base_url=os.environ["SERVER_URL"] + "/v1", api_key="wrong", max_retries=0)
    with pytest.raises(openai.AuthenticationError) as caught:
        stranger.responses.create(model="demo", input="Hello")
    assert caught.value.code == "invalid_api_key"
    assert "wrong" not in caught.value.message


def test_a_wrong_key_of_the_clients_own(client, model, provider):
    if provider in ("demo", "ollama"):
        pytest.skip("takes no key")
    with pytest.raises(openai.AuthenticationError):
        client.responses.create(model=model, input="Hello", extra_headers={"x-provider-api-key": "sk-own-wrong"})


@pytest.mark.parametrize("stream", [False, True])
def test_a_rate_limit_says_when_to_come_back(client, model, stream):
    with pytest.raises(openai.RateLimitError) as caught:
        client.responses.create(model=model + "-error-429", input="Hello", stream=stream)
    assert int(caught.value.response.headers["retry-after"]) > 0
    assert caught.value.code == "rate_limit_exceeded"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [500, 503])
def test_a_failure_of_the_provider(client, model, status, stream):
    with pytest.raises(openai.InternalServerError) as caught:
        client.responses.create(model=f"{model}-error-{status}", input="Hello", stream=stream)
    assert caught.value.code


def test_a_refused_request_of_the_provider(client, model):
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=f"{model}-error-400", input="Hello")
    assert caught.value.message


def test_the_server_s_own_wrong_key_is_not_the_clients_fault(client, model):
    with pytest.raises(openai.InternalServerError):
        client.responses.create(model=f"{model}-error-401", input="Hello")


@pytest.mark.parametrize("ending", ["fail", "cut"])
def test_a_failure_inside_a_stream(client, model, ending):
    seen = []
    with pytest.raises(openai.APIError) as caught:
        for event in client.responses.create(model=f"{model}-{ending}", input="Good morning to you all", stream=True):
            seen.append(event)
    assert [event.type for event in seen[:2]] == ["response.created", "response.in_progress"]
    assert caught.value.message and caught.value.code
    if ending == "cut":
        assert caught.value.code == "upstream_disconnected"
    stored = client.responses.retrieve(seen[0].response.id)
    assert stored.status == "failed" and stored.error.code == caught.value.code


@pytest.mark.parametrize("ending", ["fail", "cut"])
def test_a_failure_inside_a_unary_answer(client, model, ending):
    with pytest.raises(openai.InternalServerError) as caught:
        client.responses.create(model=f"{model}-{ending}", input="Good morning to you all")
    assert caught.value.code


def test_the_sdk_tries_again_after_a_rate_limit(client):
    patient = client.with_options(max_retries=1, timeout=30)
    with pytest.raises(openai.RateLimitError):
        patient.responses.create(model="demo-error-429", input="Hello")


def test_the_sdk_does_not_warn(client, recwarn):
    checks.whole(client.responses.create(model="demo", input="Hello"))
    assert [str(warning.message) for warning in recwarn] == []
