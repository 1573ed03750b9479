"""Verbs that make packages: pull, create from weights, import, and run of a model not there yet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import CACHE, MODEL
from tests.e2e.command_line import CommandLine, names_in
from tests.unit.service.cli.ollama_samples import add_model

YES_OR_NO = '{"type":"object","properties":{"yes":{"type":"boolean"}},"required":["yes"]}'
LIBRARY = "registry.ollama.ai/library"


@pytest.fixture
def retort(smollm2_gguf: Path, tmp_path: Path) -> CommandLine:
    """An empty store that has fetched the weights of the default model already."""
    models = tmp_path / "models"
    models.mkdir()
    (models / ".downloads").symlink_to(CACHE / ".downloads")
    return CommandLine(models, tmp_path)


def test_a_missing_model_is_pulled_and_then_answers(retort: CommandLine) -> None:
    finished = retort.run("run", MODEL, "Is it?", "--format", YES_OR_NO)
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout).keys() == {"yes"}
    assert "verify" in finished.stderr, "the steps were shown"


def test_pulling_shows_its_steps_and_tells_what_it_made(retort: CommandLine) -> None:
    finished = retort.run("pull", MODEL, "--name", "mine", "--json")
    assert finished.returncode == 0, finished.stderr
    told = json.loads(finished.stdout)
    assert told["name"] == "mine:latest"
    assert names_in(retort.json("list")) == ["mine:latest"]
    assert " in " in finished.stderr
    line = retort.refusal("pull", "smolm2")
    assert line.startswith("export: ")
    assert "smollm2" in line


def test_a_modelfile_may_name_weights(
    retort: CommandLine, smollm2_gguf: Path, tmp_path: Path
) -> None:
    modelfile = tmp_path / "Modelfile"
    modelfile.write_text(f"FROM {smollm2_gguf}\nPARAMETER num_ctx 99999\n")
    finished = retort.run("create", "mine", "-f", modelfile)
    assert finished.returncode == 1
    assert "num_ctx 99999" in finished.stderr.splitlines()[-1]
    assert retort.json("list") == {"models": []}, "nothing is left of it"
    modelfile.write_text(
        f"FROM {smollm2_gguf}\nPARAMETER num_ctx 256\nPARAMETER num_predict 16\nSYSTEM Be brief.\n"
    )
    assert retort.output("create", "mine", "-f", modelfile) == "success\n"
    assert names_in(retort.json("list")) == ["mine:latest"]
    assert retort.output("show", "mine", "--system") == "Be brief.\n"
    assert retort.json("verify")["models"] == [{"name": "mine:latest", "problem": None}]
    assert retort.output("run", "mine", "What is gravity?").strip()


def test_the_models_of_an_ollama_are_taken_over(
    retort: CommandLine, smollm2_gguf: Path, tmp_path: Path
) -> None:
    ollama = tmp_path / "ollama"
    parameters = json.dumps(
        {"temperature": 0.0, "num_predict": 16, "stop": ["<|im_end|>"]}
    ).encode()
    weights = smollm2_gguf.read_bytes()
    add_model(
        ollama, f"{LIBRARY}/smollm2/135m", model=weights, params=parameters, system=b"Be brief."
    )
    add_model(ollama, f"{LIBRARY}/seeing/latest", model=weights, projector=b"P")
    finished = retort.run("import", "--from", ollama)
    assert finished.returncode == 1
    assert finished.stdout == "imported 'smollm2:135m'\n"
    assert "seeing:latest has a layer 'projector'" in finished.stderr.splitlines()[-1] or (
        "projector" in finished.stderr
    )
    assert names_in(retort.json("list")) == [MODEL]
    assert retort.output("show", MODEL, "--system") == "Be brief.\n"
    again = retort.json("import", "--from", ollama, MODEL)
    assert again["models"] == [{"name": MODEL, "status": "present", "problem": None}]


def test_an_ollama_that_is_not_there_is_told(retort: CommandLine, tmp_path: Path) -> None:
    assert "--from DIR" in retort.refusal("import", "--from", tmp_path / "nothing")
