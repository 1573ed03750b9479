"""A process that changes a store and dies on the way.

    python -m tests.unit.service.store.dying steps OPERATION TEMPLATE FOLDER STRIDE
    python -m tests.unit.service.store.dying loop OPERATION ROOT

`steps` copies the store TEMPLATE to FOLDER/1, FOLDER/2 and so on, and in each does OPERATION, dying
before its first step, its second and so on, until it gets through; a STRIDE of 3 takes every third.
A step is whatever Python tells its auditors: opening, renaming, making and removing. `loop` does
the operation again and again until it is killed.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

from service.store.aside import store_aside
from service.store.changes import adopt_package, copy_model, create_model, remove_model
from service.store.names import ModelName
from service.store.overrides import Overrides
from service.store.packages import Store
from service.store.publish import staged
from tests.unit.service.store.samples import fill, install

BRIEF = Overrides(system="Be brief.")


def publish(store: Store, name: str, content: bytes = b"new") -> None:
    with staged(store.root, ModelName.parse(name), lambda: None) as folder:
        fill(folder, name, content)


def adopt(store: Store, name: str) -> None:
    with store_aside(store) as place:
        install(place.root, name, b"aside")
        adopt_package(store, name, place.find(name), BRIEF)


OPERATIONS: dict[str, Callable[[Store], object]] = {
    "publish new": lambda store: publish(store, "n"),
    "publish over a package that is needed": lambda store: publish(store, "a"),
    "publish over the last of its kind": lambda store: publish(store, "d"),
    "publish over a record": lambda store: publish(store, "k"),
    "copy to a new name": lambda store: copy_model(store, "a", "n"),
    "copy over a package that is needed": lambda store: copy_model(store, "d", "a"),
    "copy over a record": lambda store: copy_model(store, "d", "k"),
    "create": lambda store: create_model(store, "n", "k", BRIEF),
    "create over its own base": lambda store: create_model(store, "a", "a", BRIEF),
    "create from a package made aside": lambda store: adopt(store, "n"),
    "create over a package from one made aside": lambda store: adopt(store, "d"),
    "remove what is needed": lambda store: remove_model(store, "a"),
    "remove the last of its kind": lambda store: remove_model(store, "d"),
    "remove a record": lambda store: remove_model(store, "k"),
}
"""On a store with the packages `a` and `d`, of which `k` is a copy of `a`."""


def _loop(operation: str, root: str) -> None:
    store = Store(Path(root))
    sys.stdout.write("started\n")
    sys.stdout.flush()
    for number in count(os.getpid()):
        match operation:
            case "publish":
                publish(store, "a", str(number).encode())
            case "cp":
                copy_model(store, ("a", "d")[number % 2], "k")
            case "create":
                create_model(store, "k", ("a", "d")[number % 2], BRIEF)
            case "rm":
                copy_model(store, "d", "k")
                remove_model(store, "k")


def _steps(operation: str, template: str, folder: str, stride: int) -> None:
    os.fsync = _no_need_to
    for step in count(1, stride):
        root = Path(folder) / str(step)
        shutil.copytree(template, root)
        child = os.fork()
        if child == 0:
            _die_at(step)
            OPERATIONS[operation](Store(root))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status == 0:
            return
        assert os.WTERMSIG(status) == signal.SIGKILL, status


def _no_need_to(fd: object) -> None:
    """Nothing needs to be written through: it is not the machine that dies."""


def _die_at(step: int) -> None:
    steps = count(1)

    def watch(event: str, _arguments: object) -> None:
        if event.startswith(("os.", "open", "shutil.", "fcntl.")) and next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def main(arguments: Sequence[str]) -> None:
    match arguments:
        case "steps", operation, template, folder, stride:
            _steps(operation, template, folder, int(stride))
        case "loop", operation, root:
            _loop(operation, root)


if __name__ == "__main__":
    main(sys.argv[1:])
