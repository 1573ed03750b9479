from __future__ import annotations

from pathlib import Path

import pytest

from service.modelfile.capabilities import capabilities_of
from service.store.changes import create_model
from service.store.manifest import CHAT_TEMPLATE_NAME, FileRecord
from service.store.overrides import Overrides
from service.store.packages import Package, Store
from tests.unit.service.cli.samples import TINY_EMBEDDER
from tests.unit.service.store.samples import install, with_records


@pytest.fixture
def package(tmp_path: Path) -> Package:
    install(tmp_path, "tiny")
    return Store(tmp_path).decoder("tiny")


def _with_template(package: Package, text: str) -> Package:
    (package.folder / CHAT_TEMPLATE_NAME).write_text(text, encoding="utf-8")
    record = FileRecord(size=len(text), sha256="0" * 64)
    return with_records(package, {**package.manifest.files, CHAT_TEMPLATE_NAME: record})


def test_what_has_no_template_completes(package: Package) -> None:
    assert capabilities_of(package) == ("completion",)


@pytest.mark.parametrize(
    ("template", "more"),
    [
        ("{{ messages[0].content }}", ("tools",)),
        ("<think>{{ messages[0].content }}</think>", ("tools", "thinking")),
    ],
)
def test_what_converses_calls_tools_and_may_think(
    tmp_path: Path, package: Package, template: str, more: tuple[str, ...]
) -> None:
    assert capabilities_of(_with_template(package, template)) == ("completion", *more)
    derived = create_model(Store(tmp_path), "mine", "tiny", Overrides(template=template))
    assert capabilities_of(derived) == ("completion", *more)


def test_a_template_that_cannot_be_read_is_none(package: Package) -> None:
    damaged = _with_template(package, "x")
    (damaged.folder / CHAT_TEMPLATE_NAME).unlink()
    assert capabilities_of(damaged) == ("completion",)


def test_an_encoder_does_what_its_package_says() -> None:
    embedder = Store(TINY_EMBEDDER.parents[1]).find(TINY_EMBEDDER.parent.name)
    assert capabilities_of(embedder) == ("embedding",)
