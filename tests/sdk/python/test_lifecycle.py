"""What is stored: its input, its end; what an input costs; and the list of models."""

import openai
import pytest


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_input_items_page_by_themselves(client, model, order):
    texts = [f"Number {n}" for n in range(7)]
    made = client.responses.create(model=model, input=[{"role": "user", "content": text} for text in texts])
    pages = list(client.responses.input_items.list(made.id, order=order, limit=3).iter_pages())
    assert [len(page.data) for page in pages] == [3, 3, 1]
    items = list(client.responses.input_items.list(made.id, order=order, limit=3))
    assert [item.content[0].text for item in items] == (texts if order == "asc" else texts[::-1])
    assert {(item.type, item.role, item.status) for item in items} == {("message", "user", "completed")}
    assert len({item.id for item in items}) == 7


def test_a_text_is_listed_as_a_message_of_the_user(client, model):
    first = client.responses.create(model=model, input="My name is Ada.")
    second = client.responses.create(model=model, input="And again", previous_response_id=first.id)
    (item,) = client.responses.input_items.list(second.id, include=["reasoning.encrypted_content"])
    assert (item.type, item.role, item.content[0].type) == ("message", "user", "input_text")
    assert item.content[0].text == "And again"


def test_a_bad_page_is_a_bad_request(client):
    made = client.responses.create(model="demo", input="Hello")
    for wrong in ({"limit": 101}, {"order": "up"}, {"after": "msg_x"}):
        with pytest.raises(openai.BadRequestError) as caught:
            client.responses.input_items.list(made.id, **wrong)
        assert caught.value.param == next(iter(wrong))


def test_a_deleted_response_is_gone(client, model):
    made = client.responses.create(model=model, input="Hello")
    client.responses.delete(made.id)
    for call in (client.responses.retrieve, client.responses.delete, client.responses.input_items.list):
        with pytest.raises(openai.NotFoundError):
            call(made.id)
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=model, input="And again", previous_response_id=made.id)
    assert caught.value.code == "previous_response_not_found"


def test_listed_models_can_be_had_and_used(client):
    models = list(client.models.list())
    by_id = {model.id: model for model in models}
    assert len(by_id) == len(models)
    assert {"demo", "demo-reasoning", "openai-chat/scripted"} <= set(by_id)
    for name in ("demo", "openai-chat/scripted"):
        model = client.models.retrieve(name)
        assert model == by_id[name] and model.object == "model" and model.created > 0
        assert model.owned_by == name.split("/")[0]
        assert client.responses.create(model=model.id, input="Hello").status == "completed"
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("openai-chat/no-such-model")
    assert caught.value.code == "model_not_found"


def test_providers_list_their_models_and_say_what_they_can_do(client):
    by_id = {model.id: model for model in client.models.list()}
    for provider in ("openai-responses", "openai-chat", "anthropic", "gemini", "ollama"):
        card = by_id[f"{provider}/listed"].open_responses
        assert (card["provider"], card["source"], card["streaming"]) == (provider, "discovered", True)
        assert "text" in card["carries"] and card["tools"] is None
    assert by_id["anthropic/listed"].open_responses["context_length"] == 4096
    assert by_id["openai-chat/listed"].created == 1700000000


def test_the_counted_tokens_are_those_of_the_answer(client, model, provider):
    request = {"model": model, "input": "How much is this?", "instructions": "Be brief."}
    raw = client.responses.input_tokens.with_raw_response.count(**request)
    counted = raw.parse()
    assert counted.object == "response.input_tokens"
    if provider in ("openai-chat", "ollama"):
        assert raw.headers["openresponses-token-count"] == "estimate"
        assert 10 <= counted.input_tokens <= 30
    else:
        assert raw.headers["openresponses-token-count"] == "provider"
        assert counted.input_tokens == client.responses.create(**request).usage.input_tokens


def test_a_count_knows_the_history(client):
    first = client.responses.create(model="demo", input="My name is Ada.")
    alone = client.responses.input_tokens.count(model="demo", input="And again")
    chained = client.responses.input_tokens.count(model="demo", input="And again", previous_response_id=first.id)
    assert chained.input_tokens > alone.input_tokens
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.input_tokens.count(model="demo", input="And again", previous_response_id="resp_x")
    assert caught.value.code == "previous_response_not_found"
