"""The catalogue that ships, and the rules it is checked by."""

from __future__ import annotations

import json

import pytest

from export.catalog import Catalog, HubLocation, PypiLocation, load_catalog
from export.catalog_list import render_json, render_list
from export.errors import ExportError
from export.supported import refusal, require_supported
from service.dialogue.tools import deepseek, granite, hermes, llama_json, mistral, phi

ROW = (
    '[[models]]\nname = "tiny:1b"\nlicense = "MIT"\ndefault = true\narchitecture = "llama"\n'
    "parameters = 1\n"
)
HUB = 'source = { kind = "hub", repo = "a/b" }\n'
HEAD = 'default = "tiny"\nlicenses = { MIT = "https://opensource.org/license/mit" }\n'
PYPI = (
    'source = {{ kind = "pypi", distribution = "d", version = "1", file = "{file}", '
    'sha256 = "{sha256}", file_size = {size}, wheel_size = 1 }}\n'
)


def test_the_default_is_the_embedded_model_with_its_authors_settings() -> None:
    catalog = load_catalog()
    entry = catalog.find(catalog.default)
    assert entry is not None
    assert entry.name == "smollm2:135m"
    assert isinstance(entry.source, PypiLocation)
    assert (entry.source.file_size, entry.source.wheel_size) == (98362432, 92871040)
    assert (entry.generation.temperature, entry.generation.top_p) == (0.2, 0.9)


def test_bare_names_mean_what_they_mean_to_ollama() -> None:
    catalog = load_catalog()
    expected = {
        "llama3.2": "llama3.2:3b",
        "llama3.1": "llama3.1:8b",
        "llama3.1:latest": "llama3.1:8b",
        "llama3": "llama3:8b",
        "SmolLM2": "smollm2:1.7b",
        "tinyllama": "tinyllama:1.1b",
    }
    found = {name: catalog.find(name) for name in expected}
    assert {name: entry.name for name, entry in found.items() if entry} == expected


def test_models_behind_a_gate_are_marked() -> None:
    for entry in load_catalog().entries:
        if isinstance(entry.source, HubLocation) and entry.source.repo.startswith(
            ("meta-llama/", "google/")
        ):
            assert entry.gated, entry.name


SEED = ("llama3.2", "llama3.1:8b", "llava", "all-minilm")
"""The models that Ollama's page on OpenAI's endpoints asks for."""


@pytest.mark.parametrize("name", SEED)
def test_names_of_ollamas_page_are_known_or_refused_with_the_reason(name: str) -> None:
    entry = load_catalog().find(name)
    assert entry is not None
    if name == "llava":
        with pytest.raises(ExportError, match=r"llava:7b cannot be exported: .*'llava_next'"):
            require_supported(entry)
    else:
        require_supported(entry)


def test_what_cannot_be_exported_is_refused_by_name() -> None:
    catalog = load_catalog()
    for name, reason in (
        ("moondream", "code of its own"),
        ("granite4", "Mamba"),
        ("llama3.2-vision", "models that read images as 'mllama' does are not supported"),
    ):
        entry = catalog.find(name)
        assert entry is not None
        assert reason in (refusal(entry) or "")


def test_what_is_said_of_a_model_is_known_elsewhere() -> None:
    """Formats of calls by the names of those that read them."""
    forms = [deepseek.DEEPSEEK_FENCED, granite.GRANITE, hermes.HERMES, llama_json.LLAMA_JSON]
    forms += [mistral.MISTRAL_LIST, phi.PHI_TOKENS]
    entries = load_catalog().entries
    assert {entry.tools for entry in entries if entry.tools} == {form.name for form in forms}


def test_nearest_names() -> None:
    catalog = load_catalog()
    assert catalog.nearest("llama32")[0] == "llama3.2"
    assert catalog.nearest("smollm2:1b") == ["smollm2:135m", "smollm2:360m", "smollm2:1.7b"]
    assert catalog.nearest("completely-different") == []


def test_the_list_has_a_line_per_model_with_what_to_type() -> None:
    catalog = load_catalog()
    lines = render_list(catalog).splitlines()
    assert len(lines) == 1 + len(catalog.entries)
    (line,) = [line for line in lines if line.startswith("llama3.2:3b ")]
    assert line.split() == [
        *("llama3.2:3b", "llama3.2", "3.2B", "chat", "llama-json", "Llama-3.2", "(gated)"),
        "hf.co/meta-llama/Llama-3.2-3B-Instruct",
    ]
    (line,) = [line for line in lines if line.startswith("moondream:1.8b ")]
    assert line.endswith("  its repository comes with code of its own, which is not run")


def test_programs_get_all_there_is_to_know() -> None:
    listed = {row["name"]: row for row in json.loads(render_json(load_catalog()))}
    assert len(listed) == len(load_catalog().entries)
    row = listed["llama3.2:1b"]
    assert (row["short"], row["reason"], row["gated"]) == (None, None, True)
    assert row["license_url"] == "https://www.llama.com/llama3_2/license/"
    assert row["source"] == {
        "kind": "hub",
        "repo": "meta-llama/Llama-3.2-1B-Instruct",
        "file": None,
        "revision": None,
        "mirror": "unsloth/Llama-3.2-1B-Instruct",
    }
    assert listed["bge-m3:567m"]["embedding"]["pooling"] == "cls"
    assert "code of its own" in listed["moondream:1.8b"]["reason"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("default = ", "cannot be read"),
        (HEAD + ROW, "source"),
        (HEAD + ROW + HUB.replace("hub", "ftp"), "ftp"),
        (HEAD + ROW + HUB.replace("a/b", "b"), "org/repo"),
        (HEAD + ROW.replace("MIT", "WTF") + HUB, "nowhere what WTF is"),
        (HEAD + ROW + 'kind = "embedding"\n' + HUB, "to have an embedding"),
        (HEAD + ROW + 'kind = "audio"\n' + HUB, "audio"),
        (HEAD + ROW + "licence = 1\n" + HUB, "licence"),
        (HEAD + ROW.replace("tiny:1b", "tiny") + HUB, "family:tag"),
        (HEAD + ROW.replace("tiny:1b", "Tiny:1b") + HUB, "family:tag"),
        (HEAD + ROW.replace("tiny:1b", "tiny:latest") + HUB, "family:tag"),
        (HEAD + ROW.replace("true", "false") + HUB, "one default for tiny"),
        (HEAD + (ROW + HUB) * 2, "tiny:1b twice"),
        (HEAD.replace("tiny", "other") + ROW + HUB, "other is not in it"),
        (HEAD + ROW + HUB + "generation = { temperature = 3.0 }\n", "temperature"),
        (HEAD + ROW + HUB + "generation = { top_p = 0.0 }\n", "top_p"),
        (HEAD + ROW + PYPI.format(file="../a.gguf", sha256="0" * 64, size=1), "inside a wheel"),
        (HEAD + ROW + PYPI.format(file="/a.gguf", sha256="0" * 64, size=1), "inside a wheel"),
        (HEAD + ROW + PYPI.format(file="a.py", sha256="0" * 64, size=1), "inside a wheel"),
        (HEAD + ROW + PYPI.format(file="a.gguf", sha256="0" * 63, size=1), "sha256"),
        (HEAD + ROW + PYPI.format(file="a.gguf", sha256="0" * 64, size=0), "file_size"),
    ],
)
def test_a_malformed_catalogue_is_refused(text: str, message: str) -> None:
    with pytest.raises(ExportError) as caught:
        Catalog.parse(text)
    assert message in str(caught.value)
