"""Downloads from a hub, against a stand-in that speaks its HTTP interface."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from export.errors import ExportError
from export.progress import Progress, Style
from export.sources.base import Fetched
from export.sources.hub import HubSource
from export.sources.hub_client import HubClient
from service.store.files import hash_file
from tests.unit.export.sources.hub_standin import COMMIT, REPO, Hub, serving

WEIGHTS = bytes(range(256)) * 4096  # 1 MiB
GGUF = b"GGUF" + WEIGHTS
CLEAN = {
    "config.json": b'{"model_type": "llama"}',
    "tokenizer.json": b"{}",
    "model.safetensors": WEIGHTS,
}
EXTRA = {
    "README.md": b"# tiny",
    "pytorch_model.bin": b"pickle",
    "onnx/model.onnx": b"onnx",
    "original/consolidated.00.pth": b"pickle",
    "tiny.Q4_1.gguf": GGUF,
    "tiny.Q8_0.gguf": GGUF + b"8",
}
TOKEN = "hf_" + "x" * 20
FETCH = """
import sys, msgspec
from pathlib import Path
from export.errors import ExportError
from export.progress import Progress
from export.sources.resolver import resolve
try:
    fetched = resolve(sys.argv[1]).fetch(Path(sys.argv[2]), Progress.on(sys.stderr))
except ExportError as error:
    sys.exit(str(error))
print(msgspec.json.encode({"path": str(fetched.path), "origin": fetched.origin}).decode())
"""


@pytest.fixture(autouse=True)
def _fast_and_direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
    # A cut loses what was not yet a whole chunk.
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 100_000)


@pytest.fixture
def hub() -> Iterator[Hub]:
    large = frozenset({"model.safetensors", "tiny.Q4_1.gguf", "tiny.Q8_0.gguf"})
    with serving(Hub(files=CLEAN | EXTRA, large=large)) as hub:
        yield hub


def fetch(
    hub: Hub,
    cache_dir: Path,
    wanted: str | None = None,
    revision: str | None = None,
    repo: str = REPO,
    token: str | None = None,
) -> Fetched:
    client = HubClient(endpoint=hub.endpoint, token=token)
    source = HubSource(repo, wanted, revision, client=client)
    return source.fetch(cache_dir, Progress(io.StringIO(), Style.LINES))


def error_of(hub: Hub, cache_dir: Path, wanted: str | None = None, **options: str) -> str:
    with pytest.raises(ExportError) as caught:
        fetch(hub, cache_dir, wanted, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def run_export(hub: Hub, cache_dir: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    home = {"HF_HOME": str(cache_dir / "home"), "HF_ENDPOINT": hub.endpoint}
    return subprocess.run(
        [sys.executable, "-c", FETCH, f"hf.co/{REPO}", str(cache_dir)],
        env=inherited | home | settings,
        capture_output=True,
        text=True,
        check=False,
    )


def test_brings_config_tokenizer_and_safetensors_and_nothing_else(hub: Hub, tmp_path: Path) -> None:
    fetched = fetch(hub, tmp_path)
    found = {path.name: path.read_bytes() for path in fetched.path.iterdir()}
    assert found == CLEAN
    assert not any(path.is_symlink() for path in tmp_path.rglob("*"))
    origin = fetched.origin
    assert (origin.kind, origin.location, origin.revision) == ("hub", REPO, COMMIT)
    assert origin.license == "apache-2.0"
    assert origin.sha256 is None


def test_brings_the_one_gguf_of_a_quantisation(hub: Hub, tmp_path: Path) -> None:
    fetched = fetch(hub, tmp_path, "q4_1")
    assert fetched.path.name == "tiny.Q4_1.gguf"
    assert fetched.path.read_bytes() == GGUF
    assert fetched.origin.location == f"{REPO}:tiny.Q4_1.gguf"
    assert fetched.origin.sha256 == hash_file(fetched.path)
    assert not hub.downloads("tiny.Q8_0.gguf")


def test_a_second_fetch_only_asks_which_commit_it_is(hub: Hub, tmp_path: Path) -> None:
    first = fetch(hub, tmp_path)
    num_requests = len(hub.seen)
    assert fetch(hub, tmp_path) == first
    assert [seen.path.partition("?")[0] for seen in hub.seen[num_requests:]] == [
        f"/api/models/{REPO}"
    ]


def test_a_file_taken_out_of_the_cache_alone_comes_again(hub: Hub, tmp_path: Path) -> None:
    (fetch(hub, tmp_path).path / "tokenizer.json").unlink()
    hub.seen.clear()
    assert (fetch(hub, tmp_path).path / "tokenizer.json").read_bytes() == b"{}"
    assert not hub.downloads("model.safetensors")


def test_revision_is_asked_for_and_recorded_as_a_commit(hub: Hub, tmp_path: Path) -> None:
    assert fetch(hub, tmp_path, revision="v1.0").origin.revision == COMMIT
    assert hub.seen[0].path.startswith(f"/api/models/{REPO}/revision/v1.0")


def test_goes_on_behind_the_bytes_before_a_cut(hub: Hub, tmp_path: Path) -> None:
    hub.cuts = [300_000]
    assert (fetch(hub, tmp_path).path / "model.safetensors").read_bytes() == WEIGHTS
    ranges = [seen.headers.get("range") for seen in hub.downloads("model.safetensors")]
    assert "bytes=300000-" in ranges


def test_the_next_run_goes_on_where_a_failed_one_stopped(hub: Hub, tmp_path: Path) -> None:
    hub.cuts = [400_000] + [0] * 30
    assert "goes on where it stopped" in error_of(hub, tmp_path)
    assert not list(tmp_path.rglob("model.safetensors"))
    hub.cuts = []
    hub.seen.clear()
    assert (fetch(hub, tmp_path).path / "model.safetensors").read_bytes() == WEIGHTS
    assert {s.headers.get("range") for s in hub.downloads("model.safetensors")} == {"bytes=400000-"}
    assert not hub.downloads("config.json")


def test_damaged_bytes_are_removed_and_not_used(hub: Hub, tmp_path: Path) -> None:
    hub.cuts = [400_000] + [0] * 30
    error_of(hub, tmp_path)
    (unfinished,) = tmp_path.rglob("*.incomplete")
    unfinished.write_bytes(b"\0" * 400_000)
    hub.cuts = []
    assert "damaged" in error_of(hub, tmp_path)
    assert not list(tmp_path.rglob("*.incomplete"))
    assert (fetch(hub, tmp_path).path / "model.safetensors").read_bytes() == WEIGHTS


def test_the_token_goes_to_the_hub_alone_and_in_one_header(hub: Hub, tmp_path: Path) -> None:
    hub.gated, hub.token = True, TOKEN
    fetch(hub, tmp_path, token=TOKEN)
    for seen in hub.seen:
        assert TOKEN not in seen.path
        carriers = {name for name, value in seen.headers.items() if TOKEN in value}
        assert carriers == ({"authorization"} if seen.server == "hub" else set())
    assert any(seen.server == "content" for seen in hub.seen)
    assert not any(TOKEN in path.read_text("latin-1") for path in tmp_path.rglob("*.json"))
    assert TOKEN not in repr(HubSource(REPO, client=HubClient(token=TOKEN)))


def test_the_hub_is_told_nothing_about_this_machine(hub: Hub, tmp_path: Path) -> None:
    fetch(hub, tmp_path)
    assert all("torch" not in seen.headers.get("user-agent", "") for seen in hub.seen)
    assert {seen.path.split("/")[1] for seen in hub.seen if seen.server == "hub"} == {
        "api",
        "someone",
    }
    assert not any("agent-harnesses" in seen.path for seen in hub.seen)


@pytest.mark.parametrize("token", [None, "hf_wrong"])
def test_a_gated_repository_says_what_to_do(hub: Hub, tmp_path: Path, token: str | None) -> None:
    hub.gated, hub.token = True, TOKEN
    with pytest.raises(ExportError, match=r"accept its licence at hf\.co/someone/tiny.*HF_TOKEN"):
        fetch(hub, tmp_path, token=token)


def test_a_mirror_is_named_to_those_whom_the_gate_turns_away(hub: Hub, tmp_path: Path) -> None:
    hub.gated = True
    source = HubSource(REPO, mirror="open/tiny", client=HubClient(endpoint=hub.endpoint))
    with pytest.raises(ExportError, match=r"is gated: .*; hf\.co/open/tiny has the same weights"):
        source.fetch(tmp_path, Progress(io.StringIO(), Style.LINES))


def test_a_small_file_that_is_not_what_the_hub_lists_is_removed(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = hub.listing()
    hub.files["tokenizer.json"] = b"[]"
    monkeypatch.setattr(Hub, "listing", lambda self: listing)
    assert "tokenizer.json of someone/tiny arrived damaged" in error_of(hub, tmp_path)


def _offline(cache_dir: Path, wanted: str | None = None, revision: str | None = None) -> Fetched:
    """At an endpoint where nobody is: a request would show."""
    client = HubClient(endpoint="http://127.0.0.1:1")
    source = HubSource(REPO, wanted, revision, offline=True, client=client)
    return source.fetch(cache_dir, Progress(io.StringIO(), Style.LINES))


def test_offline_takes_what_was_fetched_and_nothing_else(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"someone/tiny was not fetched here before, and offline"):
        _offline(tmp_path)
    fetched = fetch(hub, tmp_path)
    assert _offline(tmp_path) == fetched
    for wanted, revision in (("Q4_1", None), (None, "v1.0")):
        with pytest.raises(ExportError, match="was not fetched here before"):
            _offline(tmp_path, wanted, revision)


def test_offline_refuses_what_was_damaged_since(hub: Hub, tmp_path: Path) -> None:
    path = fetch(hub, tmp_path).path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ExportError, match="was not fetched here before"):
        _offline(tmp_path)


def test_configs_are_checked_before_weights_are_fetched(hub: Hub, tmp_path: Path) -> None:
    def refuse(folder: Path) -> None:
        raise ExportError(f"cannot do {sorted(path.name for path in folder.iterdir())}")

    source = HubSource(REPO, client=HubClient(endpoint=hub.endpoint), check=refuse)
    with pytest.raises(ExportError, match=r"cannot do \['config\.json', 'tokenizer\.json'\]"):
        source.fetch(tmp_path, Progress(io.StringIO(), Style.LINES))
    assert not hub.downloads("model.safetensors")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["lock"]


def test_a_folder_with_an_onnx_model_comes_alone(tmp_path: Path) -> None:
    theirs = {
        "cpu/int4/genai_config.json": b"{}",
        "cpu/int4/model.onnx": b"graph",
        "cpu/int4/model.onnx.data": WEIGHTS,
        "cpu/int4/tokenizer.json": b"{}",
    }
    others = {"cuda/fp16/genai_config.json": b"{}", "cuda/fp16/model.onnx": b"other"}
    large = frozenset({"cpu/int4/model.onnx.data"})
    with serving(Hub(files=theirs | others, large=large)) as hub:
        assert f"{REPO}:cpu/int4, {REPO}:cuda/fp16" in error_of(hub, tmp_path)
        fetched = fetch(hub, tmp_path, "int4")
    found = {path.name: path.read_bytes() for path in fetched.path.iterdir()}
    assert found == {name.rpartition("/")[2]: content for name, content in theirs.items()}
    assert fetched.origin.location == f"{REPO}:cpu/int4"
    assert _offline(tmp_path, "int4") == fetched


def test_unknown_repository_revision_and_file(hub: Hub, tmp_path: Path) -> None:
    assert "no repository someone/else" in error_of(hub, tmp_path, repo="someone/else")
    assert "no revision v9" in error_of(hub, tmp_path, revision="v9")
    assert f"{REPO}:tiny.Q4_1.gguf" in error_of(hub, tmp_path, "Q5_K_M")
    assert "not a name" in error_of(hub, tmp_path, repo="some--one/tiny")


def test_too_small_a_disk_is_found_before_the_download(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    assert "left, and the download needs" in error_of(hub, tmp_path)
    assert not hub.downloads("model.safetensors")


def test_a_disk_that_fills_up_on_the_way(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("export.sources.hub_client.http_get", full)
    assert "the disk is full" in error_of(hub, tmp_path)


def test_without_a_connection_earlier_files_do(hub: Hub, tmp_path: Path) -> None:
    first = fetch(hub, tmp_path)
    hub.broken = True
    assert fetch(hub, tmp_path) == first
    assert "status 503" in error_of(hub, tmp_path, "Q4_1")


def test_no_connection_and_nothing_fetched_yet(hub: Hub, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        hub.endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
    assert "no connection to the hub" in error_of(hub, tmp_path)


def test_an_endpoint_that_is_no_hub(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Hub, "listing", lambda self: b"<html>welcome</html>")
    assert "check HF_ENDPOINT" in error_of(hub, tmp_path)


def test_a_commit_that_is_a_path_is_refused(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = hub.listing().replace(COMMIT.encode(), b"../../outside")
    monkeypatch.setattr(Hub, "listing", lambda self: listing)
    assert "which commit" in error_of(hub, tmp_path)


def test_endpoint_token_and_offline_mode_come_from_the_environment(
    hub: Hub, tmp_path: Path
) -> None:
    hub.gated, hub.token = True, TOKEN
    offline = run_export(hub, tmp_path, HF_HUB_OFFLINE="1")
    assert offline.returncode == 1
    assert "HF_HUB_OFFLINE" in offline.stderr
    assert "Traceback" not in offline.stderr
    online = run_export(hub, tmp_path, HF_TOKEN=TOKEN)
    assert online.returncode == 0, online.stderr
    assert json.loads(online.stdout)["origin"]["revision"] == COMMIT
    num_requests = len(hub.seen)
    again = run_export(hub, tmp_path, HF_HUB_OFFLINE="1")
    assert again.returncode == 0, again.stderr
    assert again.stdout == online.stdout
    assert len(hub.seen) == num_requests


def test_the_folders_of_sentence_transformers_keep_their_places(tmp_path: Path) -> None:
    theirs = {"modules.json": b"[]", "1_Pooling/config.json": b"{}"}
    files = CLEAN | theirs | {"1_Pooling/other.json": b"{}", "2_Dense/model.safetensors": b"dense"}
    with serving(Hub(files=files, large=frozenset({"model.safetensors"}))) as hub:
        folder = fetch(hub, tmp_path).path
    found = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert found == CLEAN | theirs
