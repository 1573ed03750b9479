"""A process of its own that publishes packages, to be raced, killed and waited for.

    python -m tests.unit.service.store.publisher ROOT NAME MODE

`hold` builds one, says "held" and publishes it when a line arrives. `die` kills itself between the
two renames of a replacement.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from service.store.names import ModelName
from service.store.publish import staged
from tests.unit.service.store.samples import fill


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _publish(root: Path, name: ModelName, content: bytes) -> None:
    with staged(root, name, lambda: _say("waiting")) as folder:
        fill(folder, str(name), content)


def _hold(root: Path, name: ModelName) -> None:
    with staged(root, name, lambda: _say("waiting")) as folder:
        fill(folder, str(name), b"held")
        _say("held")
        sys.stdin.readline()


def _die(root: Path, name: ModelName) -> None:
    target = root / name.folder
    rename = Path.rename

    def rename_once(self: Path, other: Path) -> Path:
        renamed = rename(self, other)
        if self == target:
            os.kill(os.getpid(), signal.SIGKILL)
        return renamed

    Path.rename = rename_once  # type: ignore[method-assign, assignment]
    _publish(root, name, b"never seen")


def main(arguments: Sequence[str]) -> None:
    root, name, mode = arguments
    modes = {"hold": _hold, "die": _die}
    modes[mode](Path(root), ModelName.parse(name))


if __name__ == "__main__":
    main(sys.argv[1:])
