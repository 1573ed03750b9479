"""Reading what an Ollama has on its disk."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from service.cli.errors import CommandError
from service.cli.ollama_store import OllamaStore
from service.store.names import ModelName
from service.store.overrides import Parameters, Turn
from tests.unit.service.cli.ollama_samples import MEDIA, add_model

NAME = ModelName.parse("tiny")


def test_a_model_is_read_with_all_that_lies_over_its_weights(tmp_path: Path) -> None:
    add_model(
        tmp_path,
        "registry.ollama.ai/library/tiny/latest",
        model=b"GGUF",
        template=b"{{ .Prompt }}",
        system=b"Be brief.",
        license=b"Free",
        params=json.dumps({"temperature": 0.5, "stop": ["A", "B"], "num_ctx": 64}).encode(),
        messages=json.dumps([{"role": "user", "content": "Hi"}]).encode(),
    )
    store = OllamaStore(tmp_path)
    assert store.names() == [NAME]
    model = store.read(NAME, own_template=False)
    assert model.weights.read_bytes() == b"GGUF"
    held = model.overrides
    assert held.parameters == Parameters(temperature=0.5, stop=("A", "B"), num_ctx=64)
    assert (held.system, held.template) == ("Be brief.", "{{ .Prompt }}")
    assert (held.messages, held.licenses) == ((Turn("user", "Hi"),), ("Free",))
    assert store.read(NAME, own_template=True).overrides.template is None


def test_names_are_found_with_host_and_namespace(tmp_path: Path) -> None:
    for place in (
        "registry.ollama.ai/me/x/1b",
        "hf.co/org/repo/q4_0",
        "registry.ollama.ai/library/y/latest",
    ):
        add_model(tmp_path, place, model=b"GGUF")
    names = [str(name) for name in OllamaStore(tmp_path).names()]
    assert sorted(names) == ["hf.co/org/repo:q4_0", "registry.ollama.ai/me/x:1b", "y"]


@pytest.mark.parametrize(
    ("layers", "named"),
    [
        ({"projector": b"P"}, "projector"),
        ({"adapter": b"A"}, "adapter"),
        ({"template": b"{{ .Prompt | upper }}"}, "--own-template"),
        ({"params": b'{"num_gpu": 1}'}, "num_gpu"),
        ({"params": b"{"}, "malformed"),
        ({"params": b'{"temperature": {"a": 1}}'}, "malformed"),
        ({"messages": b"[3]"}, "malformed"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(
    tmp_path: Path, layers: dict[str, bytes], named: str
) -> None:
    add_model(tmp_path, "registry.ollama.ai/library/tiny/latest", model=b"GGUF", **layers)
    with pytest.raises(CommandError, match=named):
        OllamaStore(tmp_path).read(NAME, own_template=False)


def test_a_model_or_a_blob_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no model 'tiny'"):
        OllamaStore(tmp_path).read(NAME, own_template=False)
    add_model(tmp_path, "registry.ollama.ai/library/tiny/latest", model=b"GGUF")
    digest = hashlib.sha256(b"GGUF").hexdigest()
    (tmp_path / "blobs" / f"sha256-{digest}").unlink()
    with pytest.raises(CommandError, match=f"lacks the blob 'sha256:{digest}"):
        OllamaStore(tmp_path).read(NAME, own_template=False)


def test_a_digest_cannot_lead_out_of_the_store(tmp_path: Path) -> None:
    add_model(tmp_path, "registry.ollama.ai/library/tiny/latest", model=b"GGUF")
    (tmp_path / "secret").write_bytes(b"no")
    path = tmp_path / "manifests/registry.ollama.ai/library/tiny/latest"
    layer = {"mediaType": f"{MEDIA}model", "digest": "sha256:../secret"}
    path.write_text(json.dumps({"layers": [layer]}))
    with pytest.raises(CommandError, match="lacks the blob"):
        OllamaStore(tmp_path).read(NAME, own_template=False)
