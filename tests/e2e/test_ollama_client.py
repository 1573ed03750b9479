"""Ollama's official Python client against a real server: every call, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from ollama import Client, Message, ResponseError
from openai import OpenAI

from export.pipeline import DOWNLOADS
from service.store.packages import Store
from service.store.verify import verify_store
from tests.conftest import CACHE, MODEL
from tests.e2e.clients.node import Node
from tests.e2e.conftest import copy_folder
from tests.unit.service.processes import ServerProcess, running

QUESTION = "What is the capital of France? Answer in one sentence."
ASK = [{"role": "user", "content": QUESTION}]
GREEDY = {"temperature": 0, "num_predict": 24}
EMBEDDER = "all-minilm"
SCRIPT = Path(__file__).parent / "clients" / "node_ollama.mjs"


def add(a: int, b: int) -> int:
    """Adds two numbers.

    Args:
        a: one number
        b: the other
    """
    return a + b


@pytest.fixture(scope="module")
def root(named_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that the tests may change, with what was downloaded for the default model."""
    root = tmp_path_factory.mktemp("ollama") / "models"
    copy_folder(named_store, root)
    (root / DOWNLOADS).symlink_to(CACHE / DOWNLOADS, target_is_directory=True)
    return root


@pytest.fixture(scope="module")
def own_server(root: Path) -> Iterator[ServerProcess]:
    with running("service", "--models", str(root), "--context", "512", "--slots", "2") as server:
        yield server


@pytest.fixture(scope="module")
def ollama(own_server: ServerProcess) -> Iterator[Client]:
    with Client(host=f"http://127.0.0.1:{own_server.port}") as client:
        yield client


def running_names(ollama: Client) -> set[str | None]:
    return {model.name for model in ollama.ps().models}


def test_a_chat_is_answered_as_on_v1(ollama: Client, own_server: ServerProcess) -> None:
    answer = ollama.chat(MODEL, ASK, options=GREEDY)
    with OpenAI(base_url=f"http://127.0.0.1:{own_server.port}/v1", api_key="any") as openai:
        same = openai.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": QUESTION}],
            temperature=0,
            max_tokens=24,
        )
    assert answer.message.content == same.choices[0].message.content
    assert "Paris" in str(answer.message.content)
    assert same.usage is not None
    assert answer.prompt_eval_count == same.usage.prompt_tokens
    assert answer.eval_count == same.usage.completion_tokens
    assert (answer.done, answer.done_reason, answer.model) == (True, "stop", MODEL)
    durations = (answer.load_duration, answer.prompt_eval_duration, answer.eval_duration)
    assert all(isinstance(each, int) and each > 0 for each in durations)
    assert answer.total_duration is not None
    assert answer.total_duration >= sum(each or 0 for each in durations) * 0.9


def test_a_stream_joins_to_the_whole(ollama: Client) -> None:
    whole = ollama.chat(MODEL, ASK, options=GREEDY)
    parts = list(ollama.chat(MODEL, ASK, options=GREEDY, stream=True))
    assert len(parts) > 3
    assert "".join(part.message.content or "" for part in parts) == whole.message.content
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
    assert parts[-1].eval_count == whole.eval_count
    assert parts[0].eval_count is None


def test_a_limit_of_tokens_is_kept(ollama: Client) -> None:
    answer = ollama.generate(MODEL, "Count to one hundred.", options={**GREEDY, "num_predict": 3})
    assert (answer.eval_count, answer.done_reason) == (3, "length")


def test_generate_is_a_chat_of_one_message(ollama: Client) -> None:
    chat = ollama.chat(MODEL, ASK, options=GREEDY)
    generated = ollama.generate(MODEL, QUESTION, options=GREEDY)
    assert generated.response == chat.message.content
    system = "You are a pirate."
    talked = ollama.chat(MODEL, [{"role": "system", "content": system}, *ASK], options=GREEDY)
    assert ollama.generate(MODEL, QUESTION, system=system, options=GREEDY).response == (
        talked.message.content
    )
    assert talked.prompt_eval_count != chat.prompt_eval_count


def test_a_raw_prompt_is_continued(ollama: Client, own_server: ServerProcess) -> None:
    prompt = "The capital of France is"
    raw = ollama.generate(MODEL, prompt, raw=True, options=GREEDY)
    with OpenAI(base_url=f"http://127.0.0.1:{own_server.port}/v1", api_key="any") as openai:
        same = openai.completions.create(model=MODEL, prompt=prompt, temperature=0, max_tokens=24)
    assert raw.response == same.choices[0].text


def test_a_template_of_the_request_makes_the_prompt(ollama: Client) -> None:
    prompt = "The capital of France is"
    raw = ollama.generate(MODEL, prompt, raw=True, options=GREEDY)
    templated = ollama.generate(MODEL, prompt, template="{{ .Prompt }}", options=GREEDY)
    assert (templated.response or "").strip() == (raw.response or "").strip()
    assert templated.prompt_eval_count == raw.prompt_eval_count
    with pytest.raises(ResponseError, match="template") as refused:
        ollama.generate(MODEL, prompt, template="{% if %}")
    assert refused.value.status_code == 400


def test_options_decide_what_is_drawn(ollama: Client) -> None:
    def drawn(**options: Any) -> str:  # noqa: ANN401
        asked = {"num_predict": 16, **options}
        return str(ollama.generate(MODEL, "Tell me a story.", options=asked).response)

    assert drawn(seed=1, temperature=2) == drawn(seed=1, temperature=2)
    assert drawn(seed=1, temperature=2) != drawn(seed=2, temperature=2)
    assert drawn(top_k=1, temperature=2, seed=1) == drawn(temperature=0)
    stopped = drawn(temperature=0, stop=["Once"])
    assert "Once" not in stopped


def test_a_context_of_the_request_is_kept_exactly(ollama: Client) -> None:
    answer = ollama.generate(
        MODEL, "Count to one hundred.", options={"num_ctx": 64, "temperature": 0, "seed": 1}
    )
    assert answer.done_reason == "length"
    assert (answer.prompt_eval_count or 0) + (answer.eval_count or 0) == 64
    assert 64 in {model.context_length for model in ollama.ps().models}
    with pytest.raises(ResponseError, match=r"options\.num_ctx") as refused:
        ollama.generate(MODEL, "Hi", options={"num_ctx": 1_000_000})
    assert refused.value.status_code == 400


def test_an_answer_is_held_to_a_format(ollama: Client) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer"}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    options = {"temperature": 0, "num_predict": 60}
    held = ollama.chat(MODEL, ASK, format=schema, options=options)
    assert set(json.loads(str(held.message.content))) == {"name", "age"}
    loose = ollama.generate(MODEL, "Ann is 7. As JSON:", format="json", options=options)
    if loose.done_reason == "stop":
        assert isinstance(json.loads(str(loose.response)), dict)
    assert str(loose.response).lstrip().startswith("{")


def test_a_tool_is_called_and_its_result_read(ollama: Client) -> None:
    messages: list[Any] = [{"role": "user", "content": "Use the tool to add 2 and 3."}]
    answer = ollama.chat(
        MODEL, messages, tools=[add], options={"temperature": 0, "num_predict": 80}
    )
    for call in answer.message.tool_calls or ():
        assert call.function.name == "add"
        assert set(call.function.arguments) == {"a", "b"}
    made = Message.ToolCall(
        function=Message.ToolCall.Function(name="add", arguments={"a": 2, "b": 3})
    )
    messages += [
        Message(role="assistant", tool_calls=[made]),
        Message(role="tool", tool_name="add", content="5"),
    ]
    after = ollama.chat(MODEL, messages, tools=[add], options=GREEDY)
    assert after.message.content or after.message.tool_calls
    assert (after.prompt_eval_count or 0) > (answer.prompt_eval_count or 0)


def test_logprobs_come_with_their_tokens(ollama: Client) -> None:
    answer = ollama.chat(MODEL, ASK, options=GREEDY, logprobs=True, top_logprobs=2)
    assert answer.logprobs is not None
    assert "".join(each.token for each in answer.logprobs) == answer.message.content
    assert all(len(each.top_logprobs or ()) == 2 for each in answer.logprobs)
    parts = list(ollama.chat(MODEL, ASK, options=GREEDY, logprobs=True, stream=True))
    streamed = [each.logprob for part in parts for each in part.logprobs or ()]
    assert streamed == pytest.approx([each.logprob for each in answer.logprobs], abs=1e-3)


def test_texts_are_embedded(ollama: Client) -> None:
    one = ollama.embed(EMBEDDER, "why is the sky blue?")
    both = ollama.embed(EMBEDDER, ["why is the sky blue?", "why is the grass green?"])
    assert len(both.embeddings) == 2
    assert both.embeddings[0] == pytest.approx(one.embeddings[0], abs=1e-5)
    assert sum(value * value for value in one.embeddings[0]) == pytest.approx(1, abs=1e-3)
    older = ollama.embeddings(EMBEDDER, "why is the sky blue?")
    assert older.embedding == pytest.approx(one.embeddings[0], abs=1e-5)
    cut = ollama.embed(EMBEDDER, "why?", dimensions=2)
    assert len(cut.embeddings[0]) == 2
    assert (one.prompt_eval_count or 0) > 0
    assert ollama.embed(EMBEDDER, "").embeddings == []


def test_what_is_too_long_to_embed_is_cut_unless_it_must_not_be(ollama: Client) -> None:
    long = "sky " * 2000
    assert len(ollama.embed(EMBEDDER, long).embeddings) == 1
    with pytest.raises(ResponseError) as refused:
        ollama.embed(EMBEDDER, long, truncate=False)
    assert refused.value.status_code == 400
    with pytest.raises(ResponseError):
        ollama.embeddings(EMBEDDER, long)


def test_a_model_that_generates_does_not_embed(ollama: Client) -> None:
    with pytest.raises(ResponseError, match="generates text") as refused:
        ollama.embed(MODEL, "why?")
    assert refused.value.status_code == 400


def test_models_are_loaded_and_unloaded_by_empty_requests(ollama: Client) -> None:
    assert ollama.generate(MODEL, keep_alive="10m").done_reason == "load"
    assert MODEL in running_names(ollama)
    loaded = next(model for model in ollama.ps().models if model.name == MODEL)
    assert loaded.expires_at is not None
    assert (loaded.size or 0) > 0
    assert ollama.chat(MODEL, keep_alive=0).done_reason == "unload"
    assert MODEL not in running_names(ollama)
    ollama.generate(MODEL, keep_alive=-1)
    pinned = next(model for model in ollama.ps().models if model.name == MODEL)
    assert pinned.expires_at is not None
    assert pinned.expires_at.year > 2200
    ollama.generate(MODEL, keep_alive=0)


def test_the_models_are_told(ollama: Client) -> None:
    models = {model.model: model for model in ollama.list().models}
    assert {MODEL, "llama3.2:latest", "mymodel:latest", "all-minilm:latest"} <= set(models)
    listed = models[MODEL]
    assert listed.details is not None
    assert (listed.details.format, listed.details.family) == ("onnx", "llama")
    assert listed.details.parameter_size == "134.48M"
    assert (listed.size or 0) > 10_000_000
    shown = ollama.show("mymodel")
    assert shown.parameters is not None
    assert "num_ctx" in shown.parameters
    assert shown.template
    assert shown.modelinfo is not None
    assert shown.modelinfo["general.architecture"] == "llama"
    assert shown.modelinfo["llama.context_length"] >= 512
    assert shown.capabilities == ["completion", "tools"]
    assert ollama.show(EMBEDDER).capabilities == ["embedding"]


def test_a_model_is_created_copied_and_deleted(ollama: Client, root: Path) -> None:
    made = ollama.create(
        "parrot",
        from_=MODEL,
        system="Answer with the word Polly and nothing else.",
        parameters={"temperature": 0, "num_predict": 5, "stop": ["zzz"]},
        messages=[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Polly"}],
        license="Do as you like",
    )
    assert made.status == "success"
    shown = ollama.show("parrot")
    assert "Polly" in str(shown.modelfile)
    assert "Do as you like" in str(shown.license)
    answer = ollama.generate("parrot", "Who are you?")
    assert answer.eval_count is not None
    assert answer.eval_count <= 5
    assert ollama.copy("parrot", "parrot2").status == "success"
    assert ollama.generate("parrot2", "Who are you?").response == answer.response
    assert ollama.delete("parrot").status == "success"
    with pytest.raises(ResponseError) as gone:
        ollama.show("parrot")
    assert gone.value.status_code == 404
    assert ollama.generate("parrot2", "Who are you?").response == answer.response
    ollama.delete("parrot2")
    verify_all(root)


def test_a_model_is_pulled(ollama: Client, root: Path) -> None:
    """A real export, of what was downloaded before."""
    for name in ("llama3.2", "gpt-3.5-turbo", "mymodel", MODEL):
        ollama.delete(name)
    assert EMBEDDER + ":latest" in {model.model for model in ollama.list().models}
    steps = list(ollama.pull(MODEL, stream=True))
    statuses = [step.status for step in steps]
    assert statuses[0] == "pulling manifest"
    assert statuses[-2:] == ["writing manifest", "success"]
    assert {"building", "verifying"} <= set(statuses)
    again = [step.status for step in ollama.pull(MODEL, stream=True)]
    assert again == ["pulling manifest", "success"]
    assert ollama.pull(MODEL).status == "success"
    assert "Paris" in str(ollama.chat(MODEL, ASK, options=GREEDY).message.content)
    verify_all(root)


def test_a_model_is_created_from_an_uploaded_file(
    ollama: Client, root: Path, smollm2_gguf: Path
) -> None:
    digest = ollama.create_blob(smollm2_gguf)
    assert (root / ".blobs" / digest.replace(":", "-")).stat().st_size > 1 << 20
    asked: dict[str, Any] = {"files": {"model.gguf": digest}, "parameters": {"num_predict": 3}}
    statuses = [step.status for step in ollama.create("uploaded", stream=True, **asked)]
    assert statuses[-2:] == ["writing manifest", "success"]
    assert {"building", "verifying"} <= set(statuses)
    answer = ollama.chat("uploaded", ASK, options={"temperature": 0})
    assert answer.eval_count == 3
    said = ollama.chat("uploaded", ASK, options=GREEDY).message.content
    assert "Paris" in str(said)
    assert not list((root / ".blobs").iterdir())
    assert "uploaded:latest" in {model.model for model in ollama.list().models}
    assert not [model for model in ollama.list().models if "making" in str(model.model)]
    with pytest.raises(ResponseError, match=digest) as gone:
        ollama.create("again", files={"model.gguf": digest})
    assert gone.value.status_code == 404
    ollama.delete("uploaded")
    verify_all(root)


def test_a_broken_upload_makes_no_model_and_stays(
    ollama: Client, root: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(64))
    digest = ollama.create_blob(broken)
    with pytest.raises(ResponseError) as refused:
        ollama.create("broken", files={"broken.gguf": digest})
    assert refused.value.status_code == 500
    assert str(root) not in str(refused.value)
    assert [path.name for path in (root / ".blobs").iterdir()] == [digest.replace(":", "-")]
    assert not [name for name in Store(root).names() if "broken" in str(name)]


@pytest.mark.parametrize("stream", [False, True])
def test_what_cannot_be_pulled_says_so(ollama: Client, stream: bool) -> None:
    with pytest.raises(ResponseError, match="no model is called"):
        list(ollama.pull("no-such-model", stream=True)) if stream else ollama.pull("no-such-model")


def test_there_is_nowhere_to_push_to(ollama: Client) -> None:
    with pytest.raises(ResponseError) as refused:
        ollama.push(MODEL)
    assert refused.value.status_code == 501


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"options": {"num_gpu": 1}}, "options.num_gpu"),
        ({"options": {"mirostat": 2}}, "options.mirostat"),
        ({"options": {"temperatur": 0}}, "options.temperatur"),
        ({"options": {"temperature": -1}}, "options.temperature"),
        ({"think": True}, "think"),
        ({"images": ["aGk="]}, "images"),
        ({"context": [1, 2]}, "context"),
        ({"suffix": "end"}, "suffix"),
        ({"format": {"type": "object", "unevaluatedProperties": 3}}, "format"),
    ],
)
def test_what_is_not_honoured_is_refused_by_name(
    ollama: Client, fields: dict[str, Any], named: str
) -> None:
    with pytest.raises(ResponseError, match=named) as refused:
        ollama.generate(MODEL, "Hi", **fields)
    assert refused.value.status_code == 400


def test_an_unknown_model_is_a_404(ollama: Client) -> None:
    for call in (ollama.show, ollama.delete, lambda name: ollama.chat(name, ASK)):
        with pytest.raises(ResponseError) as missing:
            call("no-such-model")
        assert missing.value.status_code == 404


def verify_all(root: Path) -> None:
    assert not [found for found in verify_store(Store(root)) if found.problem]


def test_every_check_of_the_javascript_client_passes(node: Node, own_server: ServerProcess) -> None:
    output = node.run(SCRIPT, f"http://127.0.0.1:{own_server.port}")
    assert output.count("passed: ") == 10


def test_what_has_lost_its_name_is_not_kept_loaded(
    ollama: Client, own_server: ServerProcess
) -> None:
    ollama.create("pinned", from_=MODEL, parameters={"num_ctx": 300})
    ollama.generate("pinned", keep_alive=-1)
    assert "pinned:latest" in running_names(ollama)
    ollama.create("pinned", from_=MODEL, parameters={"num_ctx": 310})
    assert "pinned:latest" not in running_names(ollama)
    ollama.generate("pinned", keep_alive=-1)
    ollama.delete("pinned")
    health = httpx.get(f"http://127.0.0.1:{own_server.port}/health").json()
    ready = [each["context_length"] for each in health["models"] if each["status"] == "ready"]
    assert not {300, 310} & {*ready}
