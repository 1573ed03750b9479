"""The right to use a loaded model: as long as one is held, the model stays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, TypeVar

ModelT = TypeVar("ModelT")


@dataclass(slots=True)
class Lease(Generic[ModelT]):
    """Release it once the last thing has been done with `model`; as a context it does so itself."""

    model: ModelT
    _on_release: Callable[[], None]
    _is_released: bool = False

    def release(self) -> None:
        """May be called again, to no effect."""
        if not self._is_released:
            self._is_released = True
            self._on_release()

    def __enter__(self) -> ModelT:
        return self.model

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
