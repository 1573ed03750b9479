"""/api/blobs, and what /api/create refuses of files."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from litestar import Litestar

from service.app import create_app
from service.store.blobs import IncomingBlob
from service.store.layout import Layout
from service.store.replacing import changing
from tests.unit.service.api.asgi import post_json, request
from tests.unit.service.api.fakes import FakePool, settings

pytestmark = pytest.mark.anyio

CONTENT = b"GGUF" + bytes(3 << 20)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
PATH = f"/api/blobs/sha256:{DIGEST}"
PIECES = [CONTENT[i : i + 65536] for i in range(0, len(CONTENT), 65536)]


@pytest.fixture
async def app(pool: FakePool, tmp_path: Path) -> AsyncIterator[Litestar]:
    app = create_app(replace(settings(), models_folder=tmp_path), lambda _: pool)
    async with app.lifespan():
        yield app


def left(root: Path) -> list[str]:
    """All files but locks that nobody holds."""
    return [path.name for path in root.rglob("*") if path.is_file() and path.name != "store.lock"]


async def test_a_file_is_kept_under_its_digest(app: Litestar, tmp_path: Path) -> None:
    assert (await request(app, "HEAD", PATH)).status == 404
    reply = await request(app, "POST", PATH, body=list(PIECES), headers={"host": "localhost"})
    assert (reply.status, reply.body) == (201, b"")
    assert (tmp_path / ".blobs" / f"sha256-{DIGEST}").read_bytes() == CONTENT
    assert left(tmp_path) == [f"sha256-{DIGEST}"]
    assert (await request(app, "HEAD", PATH)).status == 200
    assert (await request(app, "POST", PATH, body=list(PIECES))).status == 200


@pytest.mark.parametrize("digest", ["sha256:0", "md5:00", f"sha256:{'g' * 64}", "..%2f..%2fx", "x"])
async def test_what_is_no_digest_is_refused(app: Litestar, digest: str, tmp_path: Path) -> None:
    for method in ("HEAD", "POST"):
        reply = await request(app, method, f"/api/blobs/{digest}", body=b"GGUF")
        assert reply.status == 400
    assert list(reply.json()) == ["error"]
    assert left(tmp_path) == []


async def test_another_content_is_refused_and_leaves_nothing(app: Litestar, tmp_path: Path) -> None:
    reply = await request(app, "POST", PATH, body=[*PIECES, b"x"])
    assert (reply.status, DIGEST in reply.json()["error"]) == (400, True)
    assert left(tmp_path) == []


async def test_a_full_disk_is_told_and_leaves_nothing(
    app: Litestar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    length = {"host": "localhost", "content-length": str(10**17)}
    reply = await request(app, "POST", PATH, body=list(PIECES), headers=length)
    assert (reply.status, "are free" in reply.json()["error"]) == (500, True)

    class Full:
        def write(self, _: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device", "/secret")

    init = IncomingBlob.__init__
    monkeypatch.setattr(
        IncomingBlob,
        "__init__",
        lambda self, layout, digest, path, _: init(self, layout, digest, path, Full()),  # type: ignore[arg-type]
    )
    reply = await request(app, "POST", PATH, body=list(PIECES))
    assert reply.status == 500
    assert reply.json()["error"] == "The file was not kept: No space left on device."
    assert left(tmp_path) == []


async def test_pages_must_say_that_they_send_a_file(app: Litestar, tmp_path: Path) -> None:
    page = {"host": "localhost", "origin": "http://localhost:3000", "content-type": "text/plain"}
    assert (await request(app, "POST", PATH, body=CONTENT, headers=page)).status == 415
    other = {**page, "origin": "http://evil.example", "content-type": "application/octet-stream"}
    assert (await request(app, "POST", PATH, body=CONTENT, headers=other)).status == 403
    packed = {"host": "localhost", "content-encoding": "gzip"}
    assert (await request(app, "POST", PATH, body=CONTENT, headers=packed)).status == 415
    assert left(tmp_path) == []
    page["content-type"] = "application/octet-stream"
    assert (await request(app, "POST", PATH, body=CONTENT, headers=page)).status == 201


async def test_what_was_left_behind_is_swept(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    killed = layout.aside("killed")
    killed.mkdir(parents=True)
    (killed / "blob").write_bytes(b"GG")
    Path(f"{killed}.lock").touch()
    layout.blobs.mkdir()
    old, new = layout.blob("0" * 64), layout.blob("1" * 64)
    for blob in (old, new):
        blob.touch()
    os.utime(old, (time.time() - 25 * 3600,) * 2)
    with changing(layout):
        assert not killed.exists()
        assert not Path(f"{killed}.lock").exists()
        assert (old.exists(), new.exists()) == (False, True)


@pytest.mark.parametrize(
    ("content", "status", "named"),
    [
        ({"files": {"a.gguf": f"sha256:{'0' * 64}"}}, 404, "0" * 64),
        ({"files": {"a.gguf": "sha256:0"}}, 400, "files.a.gguf"),
        ({"files": {"a.safetensors": f"sha256:{DIGEST}"}}, 400, "files.a.safetensors"),
        ({"files": {"a.gguf": "x", "b.gguf": "y"}}, 400, "files"),
        ({"files": {"a.gguf": "x"}, "from": "tiny:1b"}, 400, "files"),
        ({"files": {"a.gguf": "NO"}}, 400, "files.a.gguf"),
        ({"files": {"a.gguf": f"sha256:{DIGEST}"}, "adapters": {"a": "b"}}, 400, "adapters"),
        ({"files": {}}, 400, "from"),
    ],
)
async def test_files_that_make_no_model_are_refused_by_name(
    app: Litestar, content: dict[str, object], status: int, named: str
) -> None:
    assert (await request(app, "POST", PATH, body=CONTENT)).status == 201
    reply = await post_json(app, "/api/create", {"model": "x", **content})
    assert (reply.status, named in reply.json()["error"]) == (status, True)


async def test_a_file_that_is_no_gguf_is_refused_and_kept(app: Litestar, tmp_path: Path) -> None:
    other = hashlib.sha256(b"text").hexdigest()
    assert (await request(app, "POST", f"/api/blobs/sha256:{other}", body=b"text")).status == 201
    reply = await post_json(app, "/api/create", {"model": "x", "files": {"x": f"sha256:{other}"}})
    assert (reply.status, "files.x" in reply.json()["error"]) == (400, True)
    assert left(tmp_path) == [f"sha256-{other}"]
