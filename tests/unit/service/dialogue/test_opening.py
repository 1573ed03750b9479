from __future__ import annotations

import pytest

from service.dialogue.message import Message
from service.dialogue.opening import Opening

_HI = Message("user", "Hi")
_OWN = Message("system", "its own")
_SHOTS = (Message("user", "2+2?"), Message("assistant", "4"))


@pytest.mark.parametrize(
    ("opening", "messages", "expected"),
    [
        (Opening(), [_HI], [_HI]),
        (Opening("s"), [_HI], [Message("system", "s"), _HI]),
        (Opening("s"), [_OWN, _HI], [_OWN, _HI]),
        (Opening(""), [_HI], [_HI]),
        (Opening(None, _SHOTS), [_HI], [*_SHOTS, _HI]),
        (Opening("s", _SHOTS), [_HI], [Message("system", "s"), *_SHOTS, _HI]),
        (Opening("s", _SHOTS), [_OWN, _HI], [_OWN, *_SHOTS, _HI]),
        (Opening("s", _SHOTS), [], []),
    ],
)
def test_what_comes_before_a_conversation(
    opening: Opening, messages: list[Message], expected: list[Message]
) -> None:
    assert list(opening.before(messages)) == expected
