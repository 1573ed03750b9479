"""The catalogue that ships, and the rules it is checked by."""

from __future__ import annotations

import pytest

from export.catalog import Catalog, HubLocation, PypiLocation, load_catalog, render_list
from export.errors import ExportError

ROW = '[[models]]\nname = "tiny:1b"\nlicense = "MIT"\ndefault = true\n'
HUB = 'source = { kind = "hub", repo = "a/b" }\n'
HEAD = 'default = "tiny"\n'
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


def test_meta_s_models_are_marked_as_gated() -> None:
    gated = {
        entry.name
        for entry in load_catalog().entries
        if isinstance(entry.source, HubLocation) and entry.source.repo.startswith("meta-llama/")
    }
    assert gated == {entry.name for entry in load_catalog().entries if entry.gated}


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
        "llama3.2:3b", "llama3.2", "hf.co/meta-llama/Llama-3.2-3B-Instruct", "Llama-3.2", "(gated)"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("default = ", "cannot be read"),
        (HEAD + ROW, "source"),
        (HEAD + ROW + HUB.replace("hub", "ftp"), "ftp"),
        (HEAD + ROW + HUB.replace("a/b", "b"), "org/repo"),
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
