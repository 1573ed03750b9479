"""How much a template may compute."""

from __future__ import annotations

import time

from jinja2.exceptions import SecurityError

_FREE_CPU_S = 1.0
_CPU_S_PER_MESSAGE = 2e-4
"""Ten times what a common template takes for one."""

_FREE_CHARS = 4 << 20
_CHARS_PER_INPUT_CHAR = 64
_CHECK_EVERY = 256


class Budget:
    """What one rendering may spend: CPU time of its thread, and characters or items made.

    Both are far above what honest templates need for their input, and let a hostile one be noticed
    while the process still has its memory. CPU time, because a busy machine is not the template's
    fault.
    """

    def __init__(self, num_input_chars: int, num_messages: int) -> None:
        self._left = _FREE_CHARS + _CHARS_PER_INPUT_CHAR * num_input_chars
        self._cpu_s = _FREE_CPU_S + _CPU_S_PER_MESSAGE * num_messages
        self._deadline_s = time.thread_time() + self._cpu_s
        self._until_check = 0

    def spend(self, amount: int) -> None:
        """Counts `amount` characters or items about to be made. Raises SecurityError."""
        self._left -= amount
        if self._left < 0:
            raise SecurityError("it makes too much text")
        self._until_check -= 1
        if self._until_check < 0:
            self._until_check = _CHECK_EVERY
            if time.thread_time() > self._deadline_s:
                raise SecurityError(f"it computes for more than {self._cpu_s:.3g} s")
