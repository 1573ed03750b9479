from __future__ import annotations

from pathlib import Path

import pytest

from service.errors import PackageCorrupt, RequestError
from service.modelfile.creating import NeedsExport, NeedsImport, create_from
from service.modelfile.modelfile import read_modelfile
from service.modelfile.printing import modelfile_of, modelfile_text
from service.store.changes import remove_model
from service.store.importing import import_package
from service.store.names import ModelName
from service.store.packages import Package, Store
from tests.unit.service.store.samples import DATA, fill, install


@pytest.fixture
def store(tmp_path: Path) -> Store:
    install(tmp_path / "models", "llama3.2")
    return Store(tmp_path / "models")


def _create(store: Store, text: str, folder: Path) -> object:
    return create_from(store, "mymodel", read_modelfile(text), folder)


def test_a_model_of_the_store_is_enough(store: Store, tmp_path: Path) -> None:
    made = _create(store, "FROM llama3.2\nPARAMETER num_ctx 48\n", tmp_path)
    assert isinstance(made, Package)
    assert store.find("mymodel") == made
    assert made.overrides.parameters.num_ctx == 48
    text = modelfile_text("llama3.2", made.overrides)
    assert text == "FROM llama3.2\nPARAMETER num_ctx 48\n"


def test_more_context_than_there_is_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="num_ctx 65 is more than the 64"):
        _create(store, "FROM llama3.2\nPARAMETER num_ctx 65\n", tmp_path)
    assert [str(name) for name in store.names()] == ["llama3.2"]


def test_what_the_store_does_not_have_has_to_be_made(store: Store, tmp_path: Path) -> None:
    (tmp_path / "w.gguf").write_bytes(b"GGUF")
    (tmp_path / "weights").mkdir()
    for base, source in (
        ("smollm2:360m", "smollm2:360m"),
        ("hf.co/org/repo:Q4_K_M", "hf.co/org/repo:Q4_K_M"),
        ("w.gguf", str(tmp_path / "w.gguf")),
        ("./weights", str(tmp_path / "weights")),
        (str(tmp_path / "w.gguf"), str(tmp_path / "w.gguf")),
    ):
        assert _create(store, f"FROM {base}", tmp_path) == NeedsExport(source)


@pytest.mark.parametrize("base", ["./absent", "absent.gguf", "/nowhere/x", "~nobody-there/x"])
def test_a_path_to_nothing_is_refused_with_its_line(
    store: Store, tmp_path: Path, base: str
) -> None:
    with pytest.raises(RequestError, match="line 2: FROM"):
        _create(store, f"# here\nFROM {base}", tmp_path)


def test_a_package_elsewhere_is_imported(store: Store, tmp_path: Path) -> None:
    fill(tmp_path / "elsewhere", "other", b"its weights")
    needed = _create(store, "FROM ./elsewhere", tmp_path)
    assert needed == NeedsImport(tmp_path / "elsewhere")
    imported = import_package(store, tmp_path / "elsewhere", "Mine:v1")
    assert imported.name == ModelName.parse("mine:v1")
    assert imported.manifest.name == "mine:v1"
    assert (imported.folder / DATA).read_bytes() == b"its weights"


def test_a_damaged_package_is_not_imported(store: Store, tmp_path: Path) -> None:
    fill(tmp_path / "elsewhere", "other", b"its weights")
    (tmp_path / "elsewhere" / DATA).write_bytes(b"its weightz")
    with pytest.raises(PackageCorrupt, match=DATA):
        import_package(store, tmp_path / "elsewhere", "mine")
    (tmp_path / "elsewhere" / DATA).unlink()
    with pytest.raises(PackageCorrupt, match=DATA):
        import_package(store, tmp_path / "elsewhere", "mine")
    with pytest.raises(PackageCorrupt, match="no package to import"):
        import_package(store, tmp_path / "nothing", "mine")
    assert [str(name) for name in store.names()] == ["llama3.2"]


def test_what_is_shown_of_a_model_makes_it_again(store: Store, tmp_path: Path) -> None:
    made = _create(store, "FROM llama3.2\nPARAMETER num_ctx 48\nSYSTEM Be brief.", tmp_path)
    assert isinstance(made, Package)
    assert modelfile_of(store, made).startswith("FROM llama3.2\n")
    remove_model(store, "llama3.2")
    moved = store.decoder("mymodel")
    shown = read_modelfile(modelfile_of(store, moved))
    assert shown.overrides == made.overrides
    again = create_from(store, "again", shown, tmp_path)
    assert isinstance(again, Package)
    assert (again.overrides, again.folder) == (made.overrides, moved.folder)
