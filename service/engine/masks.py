"""Which tokens the constrained requests of a step may get, found while the model computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeAlias

from service.engine.bitmask import Bits, new_bits
from service.engine.constraint import Constraint, ConstraintError
from service.engine.request import Request

Mask: TypeAlias = Bits | ConstraintError | None
"""The tokens that are allowed, None for all, or why that cannot be told."""


class Masks:
    """Fills masks on a thread of its own: a mask depends on the tokens so far alone, so it needs
    not wait for the logits, and filling it holds no lock that the model's run would need."""

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None

    def start(self, requests: Sequence[Request], vocab_size: int) -> Future[Mapping[Request, Mask]]:
        """Begins with the masks of `requests`, of which only those with a constraint get one."""
        constrained = [(each, each.constraint) for each in requests if each.constraint is not None]
        if not constrained:
            nothing: Future[Mapping[Request, Mask]] = Future()
            nothing.set_result({})
            return nothing
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="masks")
        return self._thread.submit(
            lambda: {each: _fill(constraint, vocab_size) for each, constraint in constrained}
        )

    def close(self) -> None:
        if self._thread is not None:
            self._thread.shutdown()


def _fill(constraint: Constraint, vocab_size: int) -> Mask:
    bits = new_bits(vocab_size)
    try:
        return bits if constraint.fill(bits) else None
    except ConstraintError as error:
        return error
    except Exception as error:  # noqa: BLE001  what fails in one request's mask ends no other
        return ConstraintError(f"the mask failed: {error!r}")
