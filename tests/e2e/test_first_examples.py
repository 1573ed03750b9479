"""What people who come from other local servers try first, with the names they know."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from tests.e2e.clients.node import Node
from tests.unit.service.processes import running

NODE_EXAMPLES = Path(__file__).parent / "clients" / "node_examples.mjs"
WHY = ["why is the sky blue?", "why is the grass green?"]


@pytest.fixture(scope="module")
def url(named_store: Path) -> Iterator[str]:
    """By the name that the examples use; with a short context, since they set no limit."""
    with running("service", "--models", str(named_store), "--context", "128") as server:
        yield f"http://localhost:{server.port}/v1/"


@pytest.fixture(scope="module")
def openai(url: str) -> Iterator[OpenAI]:
    """A key is required by the client and ignored by the server."""
    with OpenAI(base_url=url, api_key="ollama") as client:
        yield client


def test_a_chat_in_python(openai: OpenAI) -> None:
    reply = openai.chat.completions.create(
        messages=[{"role": "user", "content": "Say this is a test"}], model="llama3.2"
    )
    assert reply.model == "llama3.2"
    assert reply.choices[0].message.content
    assert reply.choices[0].finish_reason in {"stop", "length"}


def test_a_completion_in_python(openai: OpenAI) -> None:
    reply = openai.completions.create(model="llama3.2", prompt="Say this is a test")
    assert reply.choices[0].text
    assert reply.usage is not None
    assert 0 < reply.usage.completion_tokens <= 16


def test_models_in_python(openai: OpenAI) -> None:
    listed = {model.id.partition(":")[0] for model in openai.models.list()}
    assert listed == {"smollm2", "llama3.2", "gpt-3.5-turbo", "mymodel", "all-minilm"}
    model = openai.models.retrieve("llama3.2")
    assert (model.object, model.owned_by) == ("model", "library")
    assert model.created > 1_700_000_000


def test_embeddings_in_python(openai: OpenAI) -> None:
    reply = openai.embeddings.create(model="all-minilm", input=WHY)
    assert [len(item.embedding) for item in reply.data] == [16, 16]


def test_all_in_javascript(node: Node, url: str) -> None:
    assert node.run(NODE_EXAMPLES, url) == "all examples passed\n"


def curl(*arguments: str) -> Any:  # noqa: ANN401  JSON
    """What the command of that name gets; one that is there on most machines."""
    command = shutil.which("curl")
    if command is None:
        pytest.skip("curl is not on this machine")
    result = subprocess.run(
        [command, "--silent", "--show-error", "--fail-with-body", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return json.loads(result.stdout)


def post(url: str, content: object) -> Any:  # noqa: ANN401  JSON
    """Laid out over several lines, as people write it."""
    body = json.dumps(content, indent=4)
    return curl(url, "-H", "Content-Type: application/json", "-d", body)


@pytest.mark.parametrize(
    ("model", "messages"),
    [
        (
            "llama3.2",
            [
                {"role": "system", "content": "You are a helpful assistant."},
                {"role": "user", "content": "Hello!"},
            ],
        ),
        ("gpt-3.5-turbo", [{"role": "user", "content": "Hello!"}]),
        ("mymodel", [{"role": "user", "content": "Hello!"}]),
    ],
)
def test_a_chat_by_curl(url: str, model: str, messages: list[dict[str, str]]) -> None:
    reply = post(f"{url}chat/completions", {"model": model, "messages": messages})
    assert (reply["object"], reply["model"]) == ("chat.completion", model)
    assert reply["choices"][0]["message"]["content"]


def test_a_completion_by_curl(url: str) -> None:
    reply = post(f"{url}completions", {"model": "llama3.2", "prompt": "Say this is a test"})
    assert reply["object"] == "text_completion"
    assert reply["choices"][0]["text"]


def test_models_by_curl(url: str) -> None:
    listed = curl(f"{url}models")
    assert listed["object"] == "list"
    (model,) = [each for each in listed["data"] if each["id"].startswith("llama3.2")]
    assert curl(f"{url}models/llama3.2")["created"] == model["created"]


def test_embeddings_by_curl(url: str) -> None:
    reply = post(f"{url}embeddings", {"model": "all-minilm", "input": WHY})
    assert [item["index"] for item in reply["data"]] == [0, 1]
    assert all(len(item["embedding"]) == 16 for item in reply["data"])
    assert reply["usage"]["prompt_tokens"] > 0
