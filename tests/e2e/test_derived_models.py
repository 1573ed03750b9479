"""Copies and derived models of a real server, made while it runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from openai import OpenAI

from service.modelfile.creating import create_from
from service.modelfile.modelfile import read_modelfile
from service.store.changes import copy_model, remove_model
from service.store.packages import Store
from tests.conftest import MODEL
from tests.e2e.clients.python_openai import Servers
from tests.e2e.conftest import NUM_CTX


@pytest.fixture
def client(servers: Servers) -> Iterator[OpenAI]:
    with OpenAI(base_url=servers.url, api_key="any", max_retries=0) as client:
        yield client


def _ask(client: OpenAI, model: str) -> str:
    completion = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "What is the capital of France?"}],
        temperature=0,
        max_tokens=12,
    )
    assert completion.model == model
    return completion.choices[0].message.content or ""


def test_a_name_that_was_copied_answers_as_the_model(client: OpenAI) -> None:
    assert _ask(client, "gpt-3.5-turbo") == _ask(client, "llama3.2") == _ask(client, MODEL)


def test_a_context_is_what_the_modelfile_says(client: OpenAI) -> None:
    described = client.models.retrieve("mymodel").model_dump()
    assert described["context_length"] == NUM_CTX
    with pytest.raises(openai.BadRequestError, match=str(NUM_CTX)):
        client.completions.create(model="mymodel", prompt=[5] * NUM_CTX)
    fits = client.completions.create(model="mymodel", prompt=[5] * (NUM_CTX - 1), max_tokens=5)
    assert fits.usage is not None
    assert fits.usage.completion_tokens == 1


def test_a_model_made_while_the_server_runs_is_served_until_it_is_removed(
    client: OpenAI, named_store: Path
) -> None:
    store = Store(named_store)
    modelfile = read_modelfile('FROM llama3.2\nPARAMETER num_predict 3\nPARAMETER stop "."\n')
    create_from(store, "later:v1", modelfile, named_store)
    assert "later:v1" in [model.id for model in client.models.list()]
    completion = client.chat.completions.create(
        model="later:v1", messages=[{"role": "user", "content": "Count to ten."}]
    )
    assert completion.usage is not None
    assert completion.usage.completion_tokens <= 3
    copy_model(store, "later:v1", "last")
    remove_model(store, "later:v1")
    assert "last" in [model.id for model in client.models.list()]
    assert _ask(client, "last")
    with pytest.raises(openai.NotFoundError):
        _ask(client, "later:v1")
    remove_model(store, "last")
