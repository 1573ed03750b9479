"""How much memory models may take together, and who has to go for another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from service.errors import NotEnoughMemory
from service.pool.machine import available_bytes
from service.pool.requirement import Requirement, shown
from service.pool.resident import Resident
from service.runtime.providers import Provider
from service.settings import Settings

_LEFT_FREE: Final = 10
"""One part in so many of what is available is left to others."""


@dataclass(frozen=True, slots=True)
class Room:
    """`limit_bytes` and `max_models` are None where nothing limits them."""

    limit_bytes: int | None
    max_models: int | None

    @classmethod
    def of(cls, settings: Settings, provider: Provider) -> Self:
        """What the settings say, else most of what is available now; nobody tells the service how
        much that is on a device of its own."""
        limit = settings.memory_limit_bytes
        if limit is None and provider.host_memory and (found := available_bytes()) is not None:
            limit = found - found // _LEFT_FREE
        return cls(limit, settings.max_loaded_models)

    def __str__(self) -> str:
        memory = "not limited" if self.limit_bytes is None else shown(self.limit_bytes)
        return memory if self.max_models is None else f"{memory}, at most {self.max_models} models"

    def reserved_bytes(self, residents: Sequence[Resident]) -> int:
        return sum(each.requirement.total_bytes for each in residents)

    def victim(
        self, needed: Requirement, name: str, residents: Sequence[Resident]
    ) -> Resident | None:
        """Who has to be gone first for another model; None if there is room for it now.

        The least recently used of those that nobody uses and that are not pinned, or one that is
        on its way out. Raises NotEnoughMemory if even without them all there would be no room.
        """
        if self._fits(needed, residents):
            return None
        staying = [each for each in residents if not each.can_be_evicted and not each.leaving]
        if not self._fits(needed, staying):
            raise self._refusal(needed, name, staying)
        going = [each for each in residents if each.leaving]
        return min(
            going or [each for each in residents if each.can_be_evicted],
            key=lambda each: each.last_used_s,
        )

    def _fits(self, needed: Requirement, residents: Sequence[Resident]) -> bool:
        if self.max_models is not None and len(residents) >= self.max_models:
            return False
        if self.limit_bytes is None:
            return True
        return self.reserved_bytes(residents) + needed.total_bytes <= self.limit_bytes

    def _refusal(
        self, needed: Requirement, name: str, staying: Sequence[Resident]
    ) -> NotEnoughMemory:
        held = self.reserved_bytes(staying)
        names = ", ".join(str(each.package.name) for each in staying)
        if self.limit_bytes is None or held + needed.total_bytes <= self.limit_bytes:
            error = NotEnoughMemory(
                f"The model {name} cannot be loaded: {self.max_models} models may be loaded at "
                f"once, and those that are in use or pinned are {names}."
            )
        else:
            used = f", of which {shown(held)} are taken by models in use or pinned: {names}"
            error = NotEnoughMemory(
                f"The model {name} does not fit: it needs {needed}, and there are "
                f"{shown(self.limit_bytes)} for models{used if staying else ''}. A lower --slots "
                "or --context needs less; --memory says how much there is."
            )
        # Models in use may be idle soon; alone, it would not fit later either.
        error.retry_after_s = _RETRY_AFTER_S if self._fits(needed, ()) else None
        return error


_RETRY_AFTER_S: Final = 5
