"""The verbs about models and about the running service, against a real one."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from openai import OpenAI

from service.store.names import ModelName
from service.store.packages import Package
from tests.conftest import MODEL
from tests.e2e.command_line import COMMAND, ROOT, CommandLine, names_in
from tests.e2e.conftest import TINY_EMBEDDER, copy_folder
from tests.unit.service.cli.samples import NO_TEXT
from tests.unit.service.processes import running


@pytest.fixture(scope="module")
def models(smollm2_package: Package, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    copy_folder(smollm2_package.folder, root / ModelName.parse(MODEL).folder)
    copy_folder(TINY_EMBEDDER, root / ModelName.parse("all-minilm").folder)
    return root


@pytest.fixture(scope="module")
def retort(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    home = tmp_path_factory.mktemp("home")
    with running("service", "--models", str(models), "--slots", "2") as server:
        yield CommandLine(models, home, server.port)


@pytest.fixture
def client(retort: CommandLine) -> Iterator[OpenAI]:
    url = f"http://127.0.0.1:{retort.port}/v1"
    with OpenAI(base_url=url, api_key="any", max_retries=0) as client:
        yield client


@pytest.fixture
def alone(models: Path, tmp_path: Path) -> CommandLine:
    """The same store without a service."""
    return CommandLine(models, tmp_path)


def _say_this(client: OpenAI, model: str) -> str:
    completion = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "Say this is a test"}],
        temperature=0,
        max_tokens=12,
    )
    return completion.choices[0].message.content or ""


def test_a_copy_goes_by_the_name_that_tools_know(retort: CommandLine, client: OpenAI) -> None:
    assert retort.output("cp", MODEL, "smollm2") == f"copied '{MODEL}' to 'smollm2'\n"
    told = retort.output("cp", "smollm2", "gpt-3.5-turbo")
    assert told == "copied 'smollm2' to 'gpt-3.5-turbo'\n"
    assert _say_this(client, "gpt-3.5-turbo") == _say_this(client, MODEL)
    assert retort.output("rm", "smollm2", "gpt-3.5-turbo") == (
        "deleted 'smollm2'\ndeleted 'gpt-3.5-turbo'\n"
    )
    assert set(names_in(retort.json("list"))) == {MODEL, "all-minilm:latest"}


def test_a_modelfile_sets_the_context(retort: CommandLine, client: OpenAI, tmp_path: Path) -> None:
    (tmp_path / "Modelfile").write_text(f"FROM {MODEL}\nPARAMETER num_ctx 384\n")
    assert retort.output("create", "mymodel", "-f", tmp_path / "Modelfile") == "success\n"
    assert client.models.retrieve("mymodel").model_dump()["context_length"] == 384
    assert _say_this(client, "mymodel") == _say_this(client, MODEL)
    shown = retort.output("show", "mymodel", "--modelfile")
    assert shown.startswith(f"FROM {MODEL}\n")
    assert "PARAMETER num_ctx 384\n" in shown
    again = retort.json("create", "again", "-f", _written(tmp_path / "Again", shown))
    assert again["name"] == "again:latest"
    assert retort.output("show", "again", "--parameters") == retort.output(
        "show", "mymodel", "--parameters"
    )
    assert retort.json("rm", "mymodel", "again") == {"deleted": ["mymodel", "again"]}


def test_a_modelfile_may_come_on_standard_input(retort: CommandLine) -> None:
    text = f'FROM {MODEL}\nSYSTEM """You are\nbrief."""\n'
    assert retort.output("create", "brief", "-f", "-", stdin=text) == "success\n"
    assert retort.output("show", "brief", "--system") == "You are\nbrief.\n"
    retort.output("rm", "brief")


def test_what_is_listed_and_shown_is_the_same_for_people_and_programs(
    alone: CommandLine, smollm2_package: Package
) -> None:
    head, *rows = alone.output("list").splitlines()
    assert head.split() == ["NAME", "ID", "SIZE", "MODIFIED"]
    listed = {model["name"]: model for model in alone.json("ls")["models"]}
    assert {row.split()[0] for row in rows} == listed.keys() == {MODEL, "all-minilm:latest"}
    assert listed[MODEL]["digest"] == smollm2_package.digest
    assert any(row.split()[1] == smollm2_package.digest[:12] for row in rows)
    assert all(row.endswith("ago") for row in rows)
    assert names_in(alone.json("list", "all")) == ["all-minilm:latest"]
    shown = alone.output("show", MODEL)
    assert [
        line.strip() for line in shown.splitlines() if line.startswith("  ") and line[2] != " "
    ] == [
        "Model",
        "Capabilities",
        "Parameters",
        "License",
    ]
    told = alone.json("show", MODEL)
    assert told["manifest"]["architecture"]["family"] == "llama"
    assert told["template"] == alone.output("show", MODEL, "--template").removesuffix("\n")
    assert alone.output("show", MODEL, "--license") == "Apache-2.0\n"
    assert "Files" in alone.output("show", "all-minilm", "--verbose")
    assert "embedding length" in alone.output("show", "all-minilm")


def test_what_a_model_can_do_is_the_same_for_the_command_line_and_the_api(
    retort: CommandLine,
) -> None:
    base = f"http://127.0.0.1:{retort.port}"
    tagged = {
        model["name"]: model["capabilities"]
        for model in httpx.get(f"{base}/api/tags").json()["models"]
    }
    listed = {model["name"]: model["capabilities"] for model in retort.json("list")["models"]}
    assert listed == tagged == {MODEL: ["completion", "tools"], "all-minilm:latest": ["embedding"]}
    for name, capabilities in tagged.items():
        asked = httpx.post(f"{base}/api/show", json={"model": name}).json()
        assert asked["capabilities"] == capabilities
        assert retort.json("show", name)["capabilities"] == capabilities
    shown = retort.output("show", MODEL)
    assert "  Capabilities\n    completion\n    tools\n\n" in shown


def test_a_model_is_loaded_until_it_is_stopped(retort: CommandLine, client: OpenAI) -> None:
    _say_this(client, MODEL)
    head, *rows = retort.output("ps").splitlines()
    (row,) = (row for row in rows if row.startswith(MODEL))
    assert head.split() == ["NAME", "ID", "SIZE", "PROCESSOR", "CONTEXT", "UNTIL"]
    assert "100% CPU" in row
    assert row.endswith("4 minutes from now")
    (loaded,) = (each for each in retort.json("ps")["models"] if each["name"] == MODEL)
    assert loaded["context_length"] == 8192
    assert retort.json("stop", MODEL) == {"name": MODEL, "stopped": True}
    assert MODEL not in names_in(retort.json("ps"))
    assert retort.json("stop", MODEL) == {"name": MODEL, "stopped": False}


@pytest.mark.parametrize("host", ["RETORT_HOST", "OLLAMA_HOST"])
def test_a_service_is_found_by_the_address_that_it_listens_on(
    retort: CommandLine, client: OpenAI, host: str
) -> None:
    _say_this(client, MODEL)
    everywhere = retort.having(**{host: "0.0.0.0"})
    assert MODEL in names_in(everywhere.json("ps"))
    assert MODEL in names_in(everywhere.json("list"))


def test_a_damaged_model_is_found_and_can_be_removed(alone: CommandLine, models: Path) -> None:
    folder = models / "damaged" / "latest"
    shutil.copytree(TINY_EMBEDDER, folder)
    (folder / "tokenizer.json").write_bytes(b"{}")
    finished = alone.run("verify")
    assert finished.returncode == 1
    assert f"{MODEL}: all files are as they were made\n" in finished.stdout
    assert (
        "damaged:latest: The package of model damaged is damaged: tokenizer.json" in finished.stdout
    )
    told = json.loads(alone.run("verify", "damaged", "--json").stdout)
    assert [model["name"] for model in told["models"]] == ["damaged:latest"]
    assert "tokenizer.json" in told["models"][0]["problem"]
    assert alone.output("rm", "damaged") == "deleted 'damaged'\n"
    assert alone.json("verify")["models"] == [
        {"name": "all-minilm:latest", "problem": None},
        {"name": MODEL, "problem": None},
    ]


def test_unknown_models_are_told_with_the_nearest(alone: CommandLine) -> None:
    for arguments in (
        ["show", "smolm2"],
        ["cp", "smolm2", "x"],
        ["rm", MODEL, "smolm2"],
        ["verify", "smolm2"],
    ):
        line = alone.refusal(*arguments)
        assert f"did you mean '{MODEL}'?" in line
        assert "retort pull smolm2" in line
    assert "retort list" in alone.refusal("show", "../etc/passwd")
    assert MODEL in map(str, names_in(alone.json("list"))), "rm removes nothing if one is unknown"


def test_a_service_that_is_not_there_is_told(alone: CommandLine) -> None:
    for arguments in (["ps"], ["stop", MODEL]):
        line = alone.refusal(*arguments)
        assert "no service answers at http://127.0.0.1:1" in line
        assert "retort serve" in line


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"FROM {MODEL}\n\nPARAMETER num_gpu 1\n", "line 3: PARAMETER num_gpu"),
        (f"FROM {MODEL}\nADAPTER ./x\n", "line 2: ADAPTER"),
        ("PARAMETER num_ctx 5\n", "line 1: there is no FROM"),
        (f"FROM {MODEL}\nNONSENSE\n", "line 2: 'NONSENSE'"),
        (f"FROM {MODEL}\nPARAMETER num_ctx 99999\n", "num_ctx 99999 is more than the 8192"),
        ("FROM ./nothing.gguf\n", "line 1: FROM names a path where there is nothing"),
        ("FROM all-minilm\nSYSTEM Hi\n", "generates no text"),
    ],
)
def test_a_bad_modelfile_is_told_with_its_line(
    alone: CommandLine, tmp_path: Path, text: str, told: str
) -> None:
    assert told in alone.refusal("create", "x", "-f", _written(tmp_path / "Modelfile", text))
    assert "x:latest" not in names_in(alone.json("list"))


def test_a_modelfile_that_is_not_there_and_a_name_that_is_none_are_told(
    alone: CommandLine, tmp_path: Path
) -> None:
    assert "cannot be read" in alone.refusal("create", "x", "-f", tmp_path / "nothing")
    assert "cannot name a model" in alone.refusal("create", "a b", "-f", "-", stdin="FROM x")
    assert "cannot name a model" in alone.refusal("cp", MODEL, "con")


@pytest.mark.skipif(os.name == "nt", reason="there is no shell with pipes to close")
def test_a_reader_that_has_seen_enough_is_no_error(alone: CommandLine) -> None:
    command = f"{shlex.join([*COMMAND, 'show', MODEL, '--json'])} | true"
    finished = subprocess.run(
        ["sh", "-c", command],
        cwd=ROOT,
        env=alone.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.stderr == ""


@pytest.mark.parametrize("language", ["C", "C.UTF-8"])
def test_bytes_that_are_no_text_are_told_in_one_line(
    retort: CommandLine, tmp_path: Path, language: str
) -> None:
    told = retort.having(LC_ALL="", LANG=language)
    for arguments in (["stop"], ["show"], ["cp", MODEL], ["rm"], ["verify"], ["bench"]):
        assert told.refusal(*arguments, NO_TEXT)
    assert "no text in UTF-8" in told.refusal("create", "x", "-f", "-", stdin=f"FROM {NO_TEXT}")
    assert "no model is called" in told.refusal("run", NO_TEXT, "hi")
    assert "no command" in told.refusal(NO_TEXT, status=2)


def test_wrong_usage_has_status_2(alone: CommandLine) -> None:
    assert "retort cp --help" in alone.refusal("cp", status=2)
    assert "did you mean 'serve'" in alone.refusal("srve", status=2)


def test_the_rates_of_a_model_are_measured(alone: CommandLine) -> None:
    work = ("--rounds", "1", "--prompt-tokens", "64", "--tokens", "16")
    told = alone.json("bench", MODEL, *work)
    assert told["model"] == MODEL
    assert min(told["prefill_tokens_per_s"], told["decode_tokens_per_s"]) > 0
    assert "generates no text" in alone.refusal("bench", "all-minilm")
    assert "8192 tokens" in alone.refusal("bench", MODEL, "--prompt-tokens", "9000", status=2)


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path
