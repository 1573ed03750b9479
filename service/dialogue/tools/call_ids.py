"""The ids of calls, which tell results apart."""

from __future__ import annotations

import hashlib
import secrets
import string
from dataclasses import dataclass

_ALPHANUMERIC = string.ascii_letters + string.digits
_PREFIX = "call_"
_NUM_CHARS = 24


@dataclass(frozen=True, slots=True)
class CallIds:
    """Ids as OpenAI's, or of exactly `num_chars` letters and digits where a template asks for
    that (Mistral's)."""

    num_chars: int | None = None

    def new(self) -> str:
        """An id for a call that a model has made."""
        if self.num_chars is None:
            return _PREFIX + _random(_NUM_CHARS)
        return _random(self.num_chars)

    def known(self, call_id: str) -> str:
        """A client's id as the template takes it: the same for the same id."""
        if self.num_chars is None or self._fits(call_id):
            return call_id
        digest = int.from_bytes(hashlib.sha256(call_id.encode(errors="replace")).digest())
        chars = []
        for _ in range(self.num_chars):
            digest, index = divmod(digest, len(_ALPHANUMERIC))
            chars.append(_ALPHANUMERIC[index])
        return "".join(chars)

    def _fits(self, call_id: str) -> bool:
        return len(call_id) == self.num_chars and call_id.isascii() and call_id.isalnum()


OPENAI_IDS = CallIds()


def _random(num_chars: int) -> str:
    return "".join(secrets.choice(_ALPHANUMERIC) for _ in range(num_chars))
