"""Modelfiles as they come: from files and standard input, in several encodings."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from service.__main__ import main
from service.store.overrides import Overrides, Parameters
from service.store.packages import Store
from tests.unit.service.store.samples import install

TEXT = 'FROM base\nSYSTEM "Grüße.\nTschüs."\nPARAMETER stop "\n"\n'
SAID = Overrides(system="Grüße.\nTschüs.", parameters=Parameters(stop=("\n",)))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    install(tmp_path / "models", "base")
    monkeypatch.setenv("RETORT_MODELS", str(tmp_path / "models"))
    return Store(tmp_path / "models")


@pytest.fixture(params=["file", "stdin"])
def source(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Source:
    return Source(tmp_path / "Modelfile", monkeypatch if request.param == "stdin" else None)


class Source:
    """A file, or standard input where that is patched."""

    def __init__(self, path: Path, patch: pytest.MonkeyPatch | None) -> None:
        self._path, self._patch = path, patch

    def created(self, data: bytes) -> int:
        """The exit status of a command that is given `data` as its Modelfile."""
        if self._patch is None:
            self._path.write_bytes(data)
            return main(["create", "mine", "-f", str(self._path)])
        # As it is where no locale is set.
        text = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", errors="surrogateescape")
        self._patch.setattr("sys.stdin", text)
        return main(["create", "mine", "-f", "-"])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_windows_writes_is_read_as_well(
    store: Store, source: Source, encoding: str, end: str
) -> None:
    assert source.created(TEXT.replace("\n", end).encode(encoding)) == 0
    assert store.decoder("mine").overrides == SAID


@pytest.mark.parametrize("data", [b"FROM base\nSYSTEM \xff\n", b"GGUF\x03\x00\x99", b"\xff\xfea"])
def test_bytes_that_are_no_text_are_told_in_one_line(
    store: Store, source: Source, data: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    assert source.created(data) == 1
    told = capsys.readouterr().err
    assert "is no text in UTF-8" in told
    assert told.count("\n") == 1


def test_what_is_shown_makes_the_model_again(
    store: Store, source: Source, capsys: pytest.CaptureFixture[str]
) -> None:
    said = Overrides(system='a\r\n"b"', parameters=Parameters(stop=('"', "\r", "\n\n", " ")))
    text = 'FROM base\nSYSTEM """a\r\n"b""""\n'
    stops = (
        'PARAMETER stop """""""\nPARAMETER stop "\r"\nPARAMETER stop "\n\n"\nPARAMETER stop " "\n'
    )
    assert source.created(f"{text}{stops}".encode()) == 0
    assert store.decoder("mine").overrides == said
    capsys.readouterr()
    assert main(["show", "mine", "--modelfile"]) == 0
    shown = capsys.readouterr().out
    assert main(["rm", "mine"]) == 0
    assert source.created(shown.encode()) == 0
    assert store.decoder("mine").overrides == said


def test_parameters_are_shown_one_a_line(
    store: Store, source: Source, capsys: pytest.CaptureFixture[str]
) -> None:
    assert source.created(TEXT.encode()) == 0
    capsys.readouterr()
    assert main(["show", "mine", "--parameters"]) == 0
    assert 'stop                           "\\n"\n' in capsys.readouterr().out
    assert main(["show", "mine"]) == 0
    assert '    stop                "\\n"\n' in capsys.readouterr().out


def test_an_empty_licence_hides_none(
    store: Store, source: Source, capsys: pytest.CaptureFixture[str]
) -> None:
    assert source.created(b'FROM base\nLICENSE ""\n') == 0
    assert main(["show", "mine"]) == 0
    assert "  License\n    MIT\n" in capsys.readouterr().out
