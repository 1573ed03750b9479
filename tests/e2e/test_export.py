"""Exports that succeed, and what becomes of them."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from export.decoder.precision import Precision
from export.pipeline import DOWNLOADS
from tests.e2e.export_command import export, left_behind, whole_package
from tests.unit.export.golden_llama import BIASED, TIED
from tests.unit.service.processes import read_all, running

MAX_RESIDENT_MB = 600

_TELL_PEAK = """
import atexit
# Not getrusage: its peak includes what the parent held when it forked.
atexit.register(lambda: sys.stderr.write(open("/proc/self/status").read()))
"""


@pytest.fixture
def models(tmp_path: Path, smollm2_gguf: Path) -> Path:
    """An empty store that has the default model's download already."""
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / DOWNLOADS).symlink_to(smollm2_gguf.parents[2])
    return folder


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_the_default_model_is_exported_within_its_memory(models: Path) -> None:
    finished = export(models, "smollm2:135m", prelude=_TELL_PEAK)
    assert finished.returncode == 0, finished.stderr
    peak = re.search(r"VmHWM:\s*(\d+) kB", finished.stderr)
    assert peak is not None
    assert int(peak[1]) / 1000 < MAX_RESIDENT_MB
    package = whole_package(models, "smollm2:135m")
    assert package is not None
    assert finished.stdout.startswith("smollm2:135m (source) is in ")
    assert package.manifest.capabilities == ("completion", "chat")
    expected = {*package.manifest.files, "manifest.json"}
    assert {path.rpartition("/")[2] for path in left_behind(models)} == expected


def test_progress_goes_to_stderr_and_the_result_to_stdout(tmp_path: Path) -> None:
    finished = export(tmp_path, TIED)
    assert finished.returncode == 0
    assert re.fullmatch(
        r"tiny_llama_a \(int8\) is in \S+tiny_llama_a/latest; against float32, on \d+ tokens of "
        r"text: [+-]\S+ nats per token to \S+, KL divergence \S+, the same likeliest token at "
        r"\d+% of the positions\n",
        finished.stdout,
    )
    assert [line.split(":")[0] for line in finished.stderr.splitlines()] == [
        "building",
        "stored",
        "verifying",
    ]


def test_the_same_weights_make_the_same_package(tmp_path: Path) -> None:
    packages = []
    for models in (tmp_path / "one", tmp_path / "other"):
        assert export(models, TIED).returncode == 0
        packages.append(whole_package(models, "tiny_llama_a"))
    one, other = packages
    assert one is not None
    assert other is not None
    assert one.manifest.files == other.manifest.files


def test_the_store_can_be_named_by_the_environment(tmp_path: Path) -> None:
    finished = export(
        tmp_path / "given", BIASED, environment={"RETORT_MODELS": str(tmp_path / "environment")}
    )
    assert finished.returncode == 0
    assert whole_package(tmp_path / "given", "tiny_llama_b") is not None
    assert not (tmp_path / "environment").exists()


def test_every_precision_is_served(tmp_path: Path) -> None:
    names = []
    for source in (TIED, BIASED):
        for precision in Precision:
            names.append(f"{source.name}:{precision.value}")
            finished = export(tmp_path, source, "--precision", precision.value, "--name", names[-1])
            assert finished.returncode == 0, finished.stderr
        names.append(f"{source.name}:cuda")
        finished = export(
            tmp_path, source, "--precision", "fp16", "--for", "cuda", "--name", names[-1]
        )
        assert finished.returncode == 0, finished.stderr
    arguments = ("--models", str(tmp_path), "--port", "0", "--slots", "2", "--no-default")
    with running("service", *arguments) as server:
        texts = {}
        for name in names:
            request = {"model": name, "prompt": "Retort", "max_tokens": 12, "temperature": 0}
            with server.post("/v1/completions", request) as connection:
                head, _, body = read_all(connection).partition(b"\r\n\r\n")
            assert b" 200 " in head.split(b"\r\n")[0], body
            reply = json.loads(body)
            assert reply["usage"]["prompt_tokens"] == 6
            texts[name] = reply["choices"][0]["text"]
    for source in (TIED, BIASED):
        assert texts[f"{source.name}:fp16"] == texts[f"{source.name}:fp32"]
        assert texts[f"{source.name}:source"] == texts[f"{source.name}:fp32"]
        assert texts[f"{source.name}:cuda"] == texts[f"{source.name}:fp32"]
