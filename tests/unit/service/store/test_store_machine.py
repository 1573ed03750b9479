"""Random sequences of changes against the simplest model of a store: a dictionary."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from service.errors import ModelNotFound
from service.store.changes import copy_model, create_model, remove_model
from service.store.integrity import check_hashes, check_sizes
from service.store.names import ModelName
from service.store.overrides import NO_OVERRIDES, Overrides, Parameters
from service.store.packages import Store
from service.store.publish import staged
from service.store.verify import verify_store
from tests.unit.service.store.samples import DATA, fill

_NAMES = st.sampled_from(["a", "a:b", "org/c", "d"])
_OVERRIDES = st.builds(
    Overrides,
    parameters=st.builds(
        Parameters, num_ctx=st.none() | st.integers(1, 64), seed=st.none() | st.integers(0, 3)
    ),
    system=st.none() | st.just("Be brief."),
)


@dataclass(frozen=True)
class _Known:
    content: bytes
    overrides: Overrides = NO_OVERRIDES


def _fail(root: Path, name: str) -> None:
    with staged(root, ModelName.parse(name), lambda: None) as folder:
        fill(folder, name, b"never seen")
        raise OSError("full")


class StoreMachine(RuleBasedStateMachine):
    """After every step the store holds what the dictionary does, and nothing more."""

    def __init__(self) -> None:
        super().__init__()
        self.store = Store(Path(tempfile.mkdtemp()))
        self.known: dict[str, _Known] = {}
        self.num_published = 0

    def teardown(self) -> None:
        shutil.rmtree(self.store.root)

    @rule(name=_NAMES)
    def publish(self, name: str) -> None:
        """Every package is another one."""
        self.num_published += 1
        content = str(self.num_published).encode()
        with staged(self.store.root, ModelName.parse(name), lambda: None) as folder:
            fill(folder, name, content)
        self.known[name] = _Known(content)

    @rule(name=_NAMES)
    def fail_to_publish(self, name: str) -> None:
        with pytest.raises(OSError, match="full"):
            _fail(self.store.root, name)

    @precondition(lambda self: self.known)
    @rule(data=st.data(), new=_NAMES)
    def copy(self, data: st.DataObject, new: str) -> None:
        source = data.draw(st.sampled_from(sorted(self.known)))
        copy_model(self.store, source, new)
        self.known[new] = self.known[source]

    @precondition(lambda self: self.known)
    @rule(data=st.data(), new=_NAMES, overrides=_OVERRIDES)
    def create(self, data: st.DataObject, new: str, overrides: Overrides) -> None:
        source = data.draw(st.sampled_from(sorted(self.known)))
        base = self.known[source]
        create_model(self.store, new, source, overrides)
        self.known[new] = _Known(base.content, overrides.over(base.overrides))

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.known)))
        remove_model(self.store, name)
        del self.known[name]

    @rule(name=_NAMES)
    def remove_what_is_not_there(self, name: str) -> None:
        if name not in self.known:
            with pytest.raises(ModelNotFound):
                remove_model(self.store, name)

    @invariant()
    def holds_what_was_put_there(self) -> None:
        found = {str(package.name): package for package in self.store.packages()}
        assert found.keys() == self.known.keys()
        for name, package in found.items():
            check_sizes(package)
            check_hashes(package)
            content = (package.folder / DATA).read_bytes()
            assert _Known(content, package.overrides) == self.known[name]

    @invariant()
    def keeps_every_package_once(self) -> None:
        lying = sorted(path.read_bytes() for path in self.store.root.rglob(DATA))
        assert lying == sorted({known.content for known in self.known.values()})

    @invariant()
    def verifies(self) -> None:
        assert [each.problem for each in verify_store(self.store)] == [None] * len(self.known)

    @invariant()
    def leaves_nothing_lying_about(self) -> None:
        staging = self.store.root / ".staging"
        assert [path.name for path in staging.glob("*") if path.suffix != ".lock"] == []


StoreMachine.TestCase.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
TestStore = StoreMachine.TestCase
