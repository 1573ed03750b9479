"""Copies, derived models and removals: small records over shared files."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import pytest

from service.errors import (
    ModelInUse,
    ModelNotFound,
    PackageCorrupt,
    RequestError,
    StoreFailure,
)
from service.store import changes
from service.store.aside import store_aside
from service.store.changes import adopt_package, copy_model, create_model, remove_model
from service.store.manifest import MANIFEST_NAME
from service.store.names import ModelName
from service.store.overrides import NO_OVERRIDES, Overrides, Parameters, Turn
from service.store.packages import Store
from service.store.publish import staged
from service.store.record import RECORD_NAME
from service.store.verify import verify_model, verify_store
from tests.unit.service.store.samples import DATA, fill, install

SHORT = Overrides(parameters=Parameters(num_ctx=32), system="Be brief.")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    install(tmp_path, "llama3.2", b"first weights")
    return Store(tmp_path)


def _publish(store: Store, name: str, content: bytes) -> None:
    with staged(store.root, ModelName.parse(name), lambda: None) as folder:
        fill(folder, name, content)


def _weights(store: Store, name: str) -> bytes:
    return (store.find(name).folder / DATA).read_bytes()


def _copies(store: Store) -> int:
    """How many files of weights lie anywhere in the store."""
    return len(list(store.root.rglob(DATA)))


def _names(store: Store) -> list[str]:
    return [str(package.name) for package in store.packages()]


def _is_whole(store: Store) -> bool:
    return all(verified.problem is None for verified in verify_store(store))


def test_a_copy_is_the_same_model_under_another_name(store: Store) -> None:
    copied = copy_model(store, "llama3.2", "GPT-3.5-turbo")
    original = store.find("llama3.2")
    assert str(copied.name) == "gpt-3.5-turbo"
    assert (copied.folder, copied.manifest) == (original.folder, original.manifest)
    assert (copied.digest, copied.id, copied.parent) == (original.digest, original.id, "llama3.2")
    assert _names(store) == ["gpt-3.5-turbo", "llama3.2"]
    assert _copies(store) == 1


def test_a_copy_outlives_what_it_was_copied_from(store: Store) -> None:
    copy_model(store, "llama3.2", "gpt-3.5-turbo")
    remove_model(store, "llama3.2")
    assert _names(store) == ["gpt-3.5-turbo"]
    assert _weights(store, "gpt-3.5-turbo") == b"first weights"
    assert _copies(store) == 1
    remove_model(store, "gpt-3.5-turbo")
    assert (_names(store), _copies(store)) == ([], 0)


def test_a_copy_stays_what_it_is_when_the_original_is_replaced(store: Store) -> None:
    copy_model(store, "llama3.2", "kept")
    _publish(store, "llama3.2", b"second weights")
    assert _weights(store, "llama3.2") == b"second weights"
    assert _weights(store, "kept") == b"first weights"
    copy_model(store, "llama3.2", "kept")
    assert _weights(store, "kept") == b"second weights"
    assert _copies(store) == 1, "the first weights are nobody's any more"
    assert _is_whole(store)


def test_a_copy_of_a_copy_needs_neither(store: Store) -> None:
    copy_model(store, "llama3.2", "b")
    copy_model(store, "b", "c:v1")
    for name in ("b", "llama3.2"):
        remove_model(store, name)
    assert _weights(store, "c:v1") == b"first weights"
    copy_model(store, "c:v1", "llama3.2")
    remove_model(store, "c:v1")
    assert _weights(store, "llama3.2") == b"first weights"
    assert _copies(store) == 1


def test_a_copy_over_a_package_frees_it_unless_it_is_needed(store: Store) -> None:
    _publish(store, "other", b"others")
    copy_model(store, "other", "kept")
    copy_model(store, "llama3.2", "other")
    assert _weights(store, "other") == b"first weights"
    assert _weights(store, "kept") == b"others"
    copy_model(store, "llama3.2", "kept")
    assert _copies(store) == 1


def test_a_model_copied_onto_itself_stays_as_it_is(store: Store) -> None:
    before = store.find("llama3.2")
    assert copy_model(store, "llama3.2", "LLAMA3.2:latest") == before
    assert store.find("llama3.2") == before


def test_a_derived_model_carries_what_was_said(store: Store) -> None:
    derived = create_model(store, "mymodel", "llama3.2", SHORT)
    assert store.find("mymodel") == derived
    assert derived.overrides == SHORT
    assert store.find("llama3.2").overrides == NO_OVERRIDES
    assert derived.digest == store.find("llama3.2").digest
    assert derived.id != store.find("llama3.2").id
    assert store.decoder("mymodel").defaults == store.decoder("llama3.2").defaults


def test_what_is_derived_from_a_derived_model_adds_to_it(store: Store) -> None:
    create_model(store, "a", "llama3.2", SHORT)
    more = Overrides(
        parameters=Parameters(temperature=0.0, stop=("x",)), messages=(Turn("user", "Hi"),)
    )
    combined = create_model(store, "b", "a", more)
    assert combined.overrides == Overrides(
        parameters=Parameters(num_ctx=32, temperature=0.0, stop=("x",)),
        system="Be brief.",
        messages=(Turn("user", "Hi"),),
    )
    assert store.decoder("b").defaults.temperature == 0.0
    assert store.decoder("b").defaults.stop == ("x",)
    assert combined.parent == "a"


def test_a_model_can_be_derived_from_its_own_name(store: Store) -> None:
    """As `ollama create llama3.2` with FROM llama3.2 does."""
    create_model(store, "llama3.2", "llama3.2", SHORT)
    assert store.find("llama3.2").overrides == SHORT
    assert _weights(store, "llama3.2") == b"first weights"
    create_model(store, "llama3.2", "llama3.2", Overrides(system="No."))
    assert store.find("llama3.2").overrides.system == "No."
    remove_model(store, "llama3.2")
    assert _copies(store) == 0


@pytest.mark.parametrize(("num_ctx", "is_allowed"), [(1, True), (64, True), (65, False)])
def test_a_context_longer_than_the_models_is_refused(
    store: Store, num_ctx: int, is_allowed: bool
) -> None:
    overrides = Overrides(parameters=Parameters(num_ctx=num_ctx))
    if is_allowed:
        create_model(store, "mymodel", "llama3.2", overrides)
        return
    with pytest.raises(RequestError, match="65 is more than the 64") as refused:
        create_model(store, "mymodel", "llama3.2", overrides)
    assert refused.value.param == "num_ctx"
    assert _names(store) == ["llama3.2"]


def test_what_is_not_there_is_neither_copied_nor_removed(store: Store) -> None:
    for change in (
        lambda: copy_model(store, "absent", "b"),
        lambda: remove_model(store, "absent"),
        lambda: remove_model(store, "../llama3.2"),
        lambda: remove_model(store, "llama3.2:other"),
    ):
        with pytest.raises(ModelNotFound):
            change()
    assert _names(store) == ["llama3.2"]


@pytest.mark.parametrize("name", ["../x", "con", "a b", "a/b/c/d", "", "C:\\x", "nul.txt:v1"])
def test_what_is_no_name_is_refused(store: Store, name: str) -> None:
    with pytest.raises(RequestError, match="cannot name a model"):
        copy_model(store, "llama3.2", name)
    assert _names(store) == ["llama3.2"]


def test_a_name_that_would_lie_inside_another_model_is_refused(store: Store) -> None:
    with pytest.raises(RequestError, match="choose another name"):
        copy_model(store, "llama3.2", "llama3.2/latest:x")
    assert _names(store) == ["llama3.2"]


@pytest.mark.parametrize(
    ("target", "overrides"),
    [
        ("llama3.2/latest:x", NO_OVERRIDES),
        ("e", Overrides(parameters=Parameters(num_ctx=65))),
    ],
)
def test_a_package_made_aside_that_does_not_fit_is_gone(
    store: Store, target: str, overrides: Overrides
) -> None:
    names = store.names()
    with store_aside(store) as place:
        install(place.root, "e", b"aside")
        with pytest.raises(RequestError):
            adopt_package(store, target, place.find("e"), overrides)
    assert store.names() == names
    assert [path for path in store.root.rglob(DATA) if path.read_bytes() == b"aside"] == []
    assert store.layout.folders_aside() == set()


def test_an_empty_template_leaves_that_of_the_package(store: Store) -> None:
    said = Overrides(system="", template="")
    assert create_model(store, "mine", "llama3.2", said).overrides == Overrides(system="")
    with store_aside(store) as place:
        install(place.root, "e", b"aside")
        assert adopt_package(store, "f", place.find("e"), said).overrides == Overrides(system="")


def test_a_damaged_package_can_be_removed_but_not_copied(store: Store) -> None:
    (store.root / "llama3.2" / "latest" / MANIFEST_NAME).write_bytes(b"{")
    with pytest.raises(PackageCorrupt):
        copy_model(store, "llama3.2", "b")
    assert remove_model(store, "llama3.2") == ModelName.parse("llama3.2")
    assert store.names() == []


def test_nothing_is_freed_while_a_record_cannot_be_read(store: Store) -> None:
    """It may point to anything, as those of a later version could."""
    copy_model(store, "llama3.2", "b")
    record = store.root / "b" / "latest" / RECORD_NAME
    content = record.read_bytes()
    record.write_bytes(b'{"format": 2}')
    remove_model(store, "llama3.2")
    assert [str(bad.name) for bad in verify_store(store) if bad.problem] == ["b"]
    record.write_bytes(content)
    assert _weights(store, "b") == b"first weights"


def test_a_record_whose_package_has_gone_says_so(store: Store) -> None:
    copy_model(store, "llama3.2", "b")
    shutil.rmtree(store.root / "llama3.2")
    with pytest.raises(PackageCorrupt, match=r"once llama3\.2, is not in the store any more"):
        store.find("b")
    (bad,) = verify_store(store)
    assert "llama3.2" in (bad.problem or "")


def test_a_record_that_asks_for_more_context_than_there_is_is_refused(store: Store) -> None:
    create_model(store, "b", "llama3.2", SHORT)
    record = store.root / "b" / "latest" / RECORD_NAME
    record.write_bytes(record.read_bytes().replace(b'"num_ctx": 32', b'"num_ctx": 65'))
    with pytest.raises(PackageCorrupt, match="65 is more than the 64"):
        store.find("b")


def test_verify_names_the_file_of_every_model_that_needs_it(store: Store) -> None:
    _publish(store, "whole", b"others")
    copy_model(store, "llama3.2", "b")
    (store.find("b").folder / DATA).write_bytes(b"first weightz")
    problems = {str(each.name): each.problem for each in verify_store(store)}
    assert problems["whole"] is None
    assert DATA in (problems["b"] or "")
    assert DATA in (problems["llama3.2"] or "")
    assert DATA in (verify_model(store, "b").problem or "")
    assert verify_model(store, "whole").problem is None
    with pytest.raises(ModelNotFound):
        verify_model(store, "absent")


def test_a_hub_name_finds_what_an_export_calls_by_less(store: Store) -> None:
    _publish(store, "org/repo", b"hub")
    _publish(store, "hf.co/org/other", b"named so")
    assert str(store.find("hf.co/Org/Repo").name) == "org/repo"
    assert str(store.find("hf.co/org/other").name) == "hf.co/org/other"
    assert str(store.find("registry.ollama.ai/library/llama3.2").name) == "llama3.2"
    assert remove_model(store, "huggingface.co/org/repo") == ModelName.parse("org/repo")


def test_a_package_stays_open_for_those_who_have_loaded_it(store: Store) -> None:
    """What is loaded goes on on POSIX systems: its files are gone by name only."""
    with (store.find("llama3.2").folder / DATA).open("rb") as loaded:
        if os.name == "nt":
            with pytest.raises(ModelInUse):
                remove_model(store, "llama3.2")
            assert _names(store) == ["llama3.2"]
        else:
            remove_model(store, "llama3.2")
            assert _names(store) == []
        assert loaded.read() == b"first weights"


def test_files_in_use_on_windows_leave_everything_as_it_was(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_model(store, "llama3.2", "b")

    def refuse(self: Path, target: Path) -> Path:
        raise PermissionError(13, "The process cannot access the file", str(self))

    before = _names(store)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", refuse)
        with pytest.raises(StoreFailure, match="cannot access the file"):
            remove_model(store, "llama3.2")
        patched.setattr(changes, "_IS_WINDOWS", True)
        with pytest.raises(ModelInUse, match="in use; stop it first"):
            remove_model(store, "llama3.2")
        with pytest.raises(ModelInUse):
            copy_model(store, "b", "llama3.2")
    assert _names(store) == before
    assert _is_whole(store)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_store_that_cannot_be_written_to_says_so(store: Store) -> None:
    store.root.chmod(0o500)
    try:
        with pytest.raises(StoreFailure, match="Permission denied"):
            copy_model(store, "llama3.2", "b")
    finally:
        store.root.chmod(0o700)


def test_threads_that_change_the_same_names_at_once_leave_it_whole(store: Store) -> None:
    failures: list[Exception] = []

    def work(number: int) -> None:
        for turn in range(8):
            try:
                copy_model(store, "llama3.2", f"m{(number + turn) % 3}")
                remove_model(store, f"m{turn % 3}")
            except ModelNotFound:
                continue
            except Exception as error:  # noqa: BLE001  what a thread raises is else only printed
                failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert _is_whole(store)
    assert _copies(store) == 1
    assert [path.name for path in (store.root / ".staging").iterdir()] == ["store.lock"]


def test_no_reader_misses_a_model_that_is_being_replaced(store: Store) -> None:
    """Nor sees anything else than one of its versions."""
    copy_model(store, "llama3.2", "alias")
    done = threading.Event()
    failures: list[Exception] = []

    def read() -> None:
        while not done.is_set():
            try:
                assert _names(store) == ["alias", "llama3.2"]
                assert store.find("llama3.2").digest
                assert store.find("alias").digest
            except Exception as error:  # noqa: BLE001  what a thread raises is else only printed
                failures.append(error)
                return

    thread = threading.Thread(target=read)
    thread.start()
    for number in range(60):
        _publish(store, "llama3.2", str(number).encode())
        copy_model(store, "llama3.2", "alias")
    done.set()
    thread.join()
    assert failures == []
