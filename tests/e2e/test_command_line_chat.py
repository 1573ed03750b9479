"""`retort run`, at a terminal, with pipes, with a service and without."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.modelfile.creating import create_from
from service.modelfile.modelfile import read_modelfile
from service.store.names import ModelName
from service.store.packages import Package, Store
from tests.conftest import MODEL
from tests.e2e.command_line import CommandLine, Terminal, names_in
from tests.e2e.conftest import TINY_EMBEDDER, copy_folder
from tests.unit.service.cli.samples import NO_TEXT
from tests.unit.service.processes import running

QUICK = "quick"
"""Answers in a few tokens, the likeliest."""

QUESTION = "What is gravity?"

at_a_terminal = pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudo-terminals")


@pytest.fixture(scope="module")
def retort(
    smollm2_package: Package, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CommandLine]:
    models = tmp_path_factory.mktemp("models")
    copy_folder(smollm2_package.folder, models / ModelName.parse(MODEL).folder)
    copy_folder(TINY_EMBEDDER, models / ModelName.parse("all-minilm").folder)
    modelfile = read_modelfile(f"FROM {MODEL}\nPARAMETER temperature 0\nPARAMETER num_predict 16\n")
    create_from(Store(models), QUICK, modelfile, models)
    with running("service", "--models", str(models), "--slots", "2") as server:
        yield CommandLine(models, tmp_path_factory.mktemp("home"), server.port)


@pytest.fixture
def chat(retort: CommandLine) -> Iterator[Terminal]:
    with retort.terminal("run", QUICK) as terminal:
        terminal.until(">>> ")
        yield terminal


@at_a_terminal
def test_a_conversation_remembers_and_forgets(chat: Terminal) -> None:
    assert "ravity is" in chat.ask(QUESTION)
    chat.type('"""Name one more city\n')
    chat.until("... ")
    chat.type("of its effects.\n")
    chat.until("... ")
    assert chat.ask('"""').strip()
    assert chat.ask("/clear") == "Cleared session context\n"
    chat.type("/bye\n")
    assert chat.status() == 0


@at_a_terminal
def test_what_is_set_holds_and_is_shown(chat: Terminal) -> None:
    assert "Set parameter 'num_predict' to '3'" in chat.ask("/set parameter num_predict 3")
    assert "Set 'verbose' mode." in chat.ask("/set verbose")
    answered = chat.ask(QUESTION)
    assert "eval count:           3 token(s)" in answered
    assert "prompt eval rate:" in answered
    chat.ask("/set quiet")
    chat.ask("/set system Answer in French.")
    assert chat.ask("/show system") == "Answer in French.\n"
    assert "num_predict                    3" in chat.ask("/show parameters")
    assert "architecture        llama" in chat.ask("/show info")
    assert QUICK in chat.ask("/list")
    assert "/set parameter NAME VALUE" in chat.ask("/set")
    assert "/bye" in chat.ask("/?")


@at_a_terminal
def test_what_goes_wrong_is_told_and_the_chat_goes_on(chat: Terminal) -> None:
    assert "unknown command '/nothing'" in chat.ask("/nothing")
    assert "nonsense" in chat.ask("/set parameter nonsense 1")
    assert "does not exist" in chat.ask("/load nothing")
    assert "ravity is" in chat.ask(QUESTION)
    chat.interrupt()
    assert "/bye to exit" in chat.until(">>> ")
    chat.type("\x04")
    assert chat.status() == 0


@at_a_terminal
@pytest.mark.parametrize("language", ["C", "C.UTF-8"])
def test_bytes_that_are_no_text_are_told_and_the_chat_goes_on(
    retort: CommandLine, language: str
) -> None:
    with retort.having(LC_ALL="", LANG=language).terminal("run", QUICK) as terminal:
        terminal.until(">>> ")
        assert "ravity is" in terminal.ask(QUESTION)
        for typed in (NO_TEXT, f"/set system {NO_TEXT}", f"/load {NO_TEXT}"):
            assert "no text in UTF-8" in terminal.ask(typed)
        for begun in ('"""', '/set system """'):
            terminal.type(f"{begun}\n")
            terminal.until("... ")
            terminal.type(f"{NO_TEXT}\n")
            terminal.until("... ")
            assert "no text in UTF-8" in terminal.ask('the rest"""')
        assert "no system" in terminal.ask("/show system")
        assert terminal.ask("Say it again.").strip()
        terminal.type("\x04")
        assert terminal.status() == 0


@at_a_terminal
def test_ctrl_c_ends_an_answer_and_not_the_chat(chat: Terminal) -> None:
    chat.ask("/set parameter num_predict 4000")
    chat.type("Tell me a very long story about a fox.\n")
    chat.until("fox.")
    chat.until(" ")
    chat.interrupt()
    chat.until(">>> ")
    chat.ask("/set parameter num_predict 16")
    chat.ask("/clear")
    assert "ravity is" in chat.ask(QUESTION)
    chat.type("\x04")
    assert chat.status() == 0


@at_a_terminal
def test_a_session_is_saved_as_a_model_and_loaded(chat: Terminal, retort: CommandLine) -> None:
    chat.ask("/set system Be brief.")
    chat.ask("/set parameter seed 3")
    assert "ravity is" in chat.ask(QUESTION)
    assert chat.ask("/save travel") == "Created new model 'travel'\n"
    assert chat.ask("/load travel") == "Loading model 'travel'\n"
    assert "Be brief." in chat.ask("/show modelfile")
    shown = retort.output("show", "travel", "--modelfile")
    assert f'MESSAGE user """{QUESTION}"""' in shown
    assert "PARAMETER seed 3" in shown


@at_a_terminal
def test_what_was_typed_comes_back_in_the_next_session(retort: CommandLine) -> None:
    with retort.terminal("run", QUICK) as terminal:
        terminal.until(">>> ")
        terminal.ask("/set nowordwrap")
        terminal.ask("/set nohistory")
        terminal.ask("/set wordwrap")
        terminal.type("/bye\n")
        assert terminal.status() == 0
    with retort.terminal("run", QUICK) as terminal:
        terminal.until(">>> ")
        terminal.type("\x1b[A\x1b[A\n")
        terminal.until("Set 'nowordwrap' mode.")


@at_a_terminal
@pytest.mark.parametrize("is_served", [True, False])
def test_ctrl_c_ends_a_single_answer_and_the_command(
    retort: CommandLine, tmp_path: Path, is_served: bool
) -> None:
    command_line = retort if is_served else CommandLine(retort.models, tmp_path)
    story = ("run", MODEL, "Tell me a very long story about a fox.")
    with command_line.terminal(*story) as terminal:
        terminal.until(" ")
        terminal.interrupt()
        assert terminal.status() == 130
        assert "Traceback" not in terminal.rest()


@at_a_terminal
def test_a_context_of_ones_own_can_be_set(chat: Terminal) -> None:
    chat.ask("/set parameter num_ctx 32")
    assert "context holds 32" in chat.ask("word " * 60)
    chat.ask("/set parameter num_ctx 128")
    assert "ravity is" in chat.ask(QUESTION)


def test_a_prompt_on_the_command_line_is_answered_once(retort: CommandLine) -> None:
    assert "ravity is" in retort.output("run", QUICK, QUESTION)
    finished = retort.run("run", QUICK, "--verbose", "--keepalive", "1m", *QUESTION.split())
    assert "ravity is" in finished.stdout
    assert "eval rate:" in finished.stderr
    assert "eval rate:" not in finished.stdout


def test_a_prompt_may_be_piped_in(retort: CommandLine) -> None:
    assert "ravity is" in retort.output("run", QUICK, stdin=f"{QUESTION}\n")
    joined = retort.output("run", QUICK, "What is that?", stdin="Gravity.\n")
    assert joined.strip()


@pytest.mark.parametrize("language", ["C", "C.UTF-8"])
def test_a_prompt_that_is_no_text_is_told(retort: CommandLine, language: str) -> None:
    told = retort.having(LC_ALL="", LANG=language)
    assert "standard input holds bytes" in told.refusal("run", QUICK, stdin=f"{NO_TEXT} bad")
    assert "the prompt holds bytes" in told.refusal("run", QUICK, NO_TEXT)
    assert "ravity is" in told.output("run", QUICK, stdin=f"{QUESTION} 🦊")


def test_an_answer_is_held_to_a_schema(retort: CommandLine) -> None:
    schema = '{"type":"object","properties":{"yes":{"type":"boolean"}},"required":["yes"]}'
    told = json.loads(retort.output("run", QUICK, QUESTION, "--format", schema))
    assert told.keys() == {"yes"}
    assert "JSON schema" in retort.refusal("run", QUICK, QUESTION, "--format", "yaml")


def test_an_embedding_model_prints_a_vector(retort: CommandLine) -> None:
    assert len(json.loads(retort.output("run", "all-minilm", "hello"))) == 16
    assert len(json.loads(retort.output("run", "all-minilm", "hello", "--dimensions", "8"))) == 8
    # As /api/embed has it, any number of them.
    assert len(json.loads(retort.output("run", "all-minilm", "hello", "--dimensions", "5"))) == 5
    assert "16 dimensions" in retort.refusal("run", "all-minilm", "hello", "--dimensions", "17")


def test_a_text_that_an_embedding_model_cannot_read_whole_is_cut_and_that_is_told(
    retort: CommandLine,
) -> None:
    embed = ("run", "all-minilm", "hello " * 100)
    cut = retort.run(*embed)
    assert cut.returncode == 0
    assert cut.stderr == (
        "retort: the text is longer than the 48 tokens that all-minilm reads; the vector is that "
        "of its beginning\n"
    )
    asked = retort.run(*embed, "--truncate")
    assert (asked.stdout, asked.stderr) == (cut.stdout, "")
    assert "--truncate its beginning is embedded" in retort.refusal(*embed, "--truncate=false")
    assert not retort.run("run", "all-minilm", "hello", "--truncate=false").stderr


def test_flags_are_turned_off_as_ollama_does(retort: CommandLine) -> None:
    off = ("--verbose=false", "--nowordwrap=false", "--hidethinking=0")
    finished = retort.run("run", QUICK, *off, QUESTION)
    assert "ravity is" in finished.stdout
    assert finished.stderr == ""


def test_a_thinking_mode_that_the_model_lacks_is_refused(retort: CommandLine) -> None:
    assert "does not think" in retort.refusal("run", QUICK, "--think", QUESTION)
    assert "ravity is" in retort.output("run", QUICK, "--think=false", QUESTION)


def test_nothing_to_ask_is_told(retort: CommandLine) -> None:
    assert "standard input is empty" in retort.refusal("run", QUICK, stdin="")


@pytest.mark.parametrize("model", [QUICK, "all-minilm"])
def test_an_empty_prompt_loads_the_model(retort: CommandLine, model: str) -> None:
    retort.output("stop", model)
    assert retort.output("run", model, "", "--keepalive", "-1", stdin="") == ""
    (row,) = (row for row in retort.output("ps").splitlines() if row.startswith(model))
    assert row.endswith("Forever")
    retort.output("stop", model)


@at_a_terminal
def test_an_empty_prompt_opens_no_chat_at_a_terminal(retort: CommandLine) -> None:
    with retort.terminal("run", QUICK, "") as terminal:
        assert terminal.status() == 0
        assert terminal.rest() == ""
    assert f"{QUICK}:latest" in names_in(retort.json("ps"))


def test_an_empty_prompt_is_none_where_something_is_piped_in(retort: CommandLine) -> None:
    assert "ravity is" in retort.output("run", QUICK, "", stdin=QUESTION)


def test_no_model_is_loaded_where_no_service_would_keep_it(
    retort: CommandLine, tmp_path: Path
) -> None:
    told = CommandLine(retort.models, tmp_path).refusal("run", QUICK, "")
    assert f"could keep {QUICK} loaded" in told
    assert "retort serve" in told


def test_without_a_service_it_serves_itself(retort: CommandLine, tmp_path: Path) -> None:
    alone = CommandLine(retort.models, tmp_path)
    assert "ravity is" in alone.output("run", QUICK, QUESTION)


def test_a_model_that_nobody_has_is_told_by_the_export(retort: CommandLine) -> None:
    line = retort.refusal("run", "smolm2", "hi")
    assert line.startswith("export: ")
    assert "smollm2" in line
