"""Which style a model answers in: its chat template gives it away."""

from __future__ import annotations

from collections.abc import Collection

from service.dialogue.styles.harmony import HARMONY_STYLE
from service.dialogue.styles.style import Style
from service.dialogue.styles.tags import SEED_THINK, START_THINKING, THINK, THINK_BRACKETS, Tags

_TAGS: tuple[Tags, ...] = (THINK, THINK_BRACKETS, SEED_THINK, START_THINKING)


def style_of(template: str, control_tokens: Collection[str]) -> Style | None:
    """The style of a model with this chat template, None for one without thoughts.

    `control_tokens` are the spellings of its tokens that are no text: a style that goes by tokens
    alone needs them.
    """
    needed = HARMONY_STYLE.frame.text.before, HARMONY_STYLE.frame.thoughts.after
    harmony = [mark for mark in HARMONY_STYLE.marks if any(mark in text for text in needed)]
    if all(mark in template and mark in control_tokens for mark in harmony):
        return HARMONY_STYLE
    return next((tags for tags in _TAGS if tags.close in template), None)


def tells_of_thoughts(template: str) -> bool:
    """Whether models with this chat template think, whatever their vocabulary."""
    return style_of(template, HARMONY_STYLE.marks) is not None
