"""An object in a process of its own, which is stopped except while it is asked."""

from __future__ import annotations

import multiprocessing
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast

from bench.pausing import Paused, paused

T = TypeVar("T")
R = TypeVar("R")
P = ParamSpec("P")


class ChildError(Exception):
    """The other process failed; the message is its traceback, or that it has ended."""


class Child(Generic[T]):
    """The near end of an object of type `T`."""

    def __init__(self, pipe: Connection, pausing: Paused) -> None:
        self._pipe = pipe
        self._pausing = pausing

    def call(self, method: Callable[Concatenate[T, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """`method` of the object, as in `child.call(Engine.rate, 8)`; all must be picklable.

        Raises `ChildError`.
        """
        with self._pausing.awake():
            self._pipe.send(partial(_applied, method, args, kwargs))
            return cast(R, _received(self._pipe))


@dataclass(frozen=True, slots=True)
class _Answer:
    value: object
    failure: str | None = None


@contextmanager
def child(make: Callable[[], T]) -> Iterator[Child[T]]:
    """Starts a fresh interpreter and makes the object there. Raises `ChildError`."""
    context = multiprocessing.get_context("spawn")
    near, far = context.Pipe()
    process = context.Process(target=_serve, args=(make, far), daemon=True)
    process.start()
    far.close()
    assert process.pid is not None
    try:
        _received(near)
        with paused(process.pid) as pausing:
            yield Child(near, pausing)
    finally:
        process.kill()
        process.join()
        near.close()


def _serve(make: Callable[[], T], pipe: Connection) -> None:
    made = _attempt(make)
    pipe.send(_Answer(None, made.failure))
    while True:
        try:
            call = pipe.recv()
        except EOFError:
            return
        pipe.send(_attempt(partial(call, made.value)))


def _attempt(call: Callable[[], object]) -> _Answer:
    try:
        return _Answer(call())
    except Exception:  # noqa: BLE001  whatever it is, the process that asked raises it
        return _Answer(None, traceback.format_exc())


def _received(pipe: Connection) -> object:
    try:
        answer: _Answer = pipe.recv()
    except EOFError:
        raise ChildError("the process of an engine has ended") from None
    if answer.failure is not None:
        raise ChildError(answer.failure)
    return answer.value


def _applied(
    method: Callable[..., R], args: tuple[Any, ...], kwargs: dict[str, Any], made: object
) -> R:
    return method(made, *args, **kwargs)
