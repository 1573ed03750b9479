"""Messages to a prompt, by the chat template that came with the model."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from jinja2 import Template
from jinja2.exceptions import SecurityError

from service.dialogue.budget import Budget
from service.dialogue.message import Message
from service.dialogue.prompt import DEFAULT_OPTIONS, TemplateOptions
from service.dialogue.sandbox import BUDGET, Sandbox, TemplateRefusedError
from service.dialogue.shield import Shield, control_pattern
from service.dialogue.template_values import message_value, texts_of, tool_value
from service.errors import PackageCorrupt, RequestError
from service.text.segment import Segment

_MAX_SOURCE_CHARS = 1 << 16
_PROBE = (Message("user", "a"), Message("assistant", "b"), Message("user", "c"))


class ChatTemplate:
    """A model's chat template, compiled. Safe to use from several threads at once.

    It is given what transformers gives to `apply_chat_template`: the messages,
    `add_generation_prompt`, the first and last token, and the functions and filters named there.
    """

    def __init__(
        self,
        source: str | None,
        *,
        bos_token: str | None = None,
        eos_token: str | None = None,
        control_tokens: Collection[str] = (),
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        """`source` is None for a model without a template; then every rendering is refused.

        `control_tokens` are the spellings that only the template may use. Raises PackageCorrupt
        where the source is no template, or one that leaves its sandbox or computes too much.
        """
        self._control_pattern = control_pattern(control_tokens)
        self._tokens = {
            name: token
            for name, token in (("bos_token", bos_token), ("eos_token", eos_token))
            if token is not None
        }
        self._now = now
        self.source = source or ""
        self._template = None if source is None else self._compile(source)
        if self._template is not None:
            self._probe()

    def knows(self, variable: str) -> bool:
        """Whether the template asks for `variable`."""
        return re.search(rf"\b{re.escape(variable)}\b", self.source) is not None

    def render(
        self, messages: Sequence[Message], options: TemplateOptions = DEFAULT_OPTIONS
    ) -> list[Segment]:
        """The prompt; control tokens that occur in `messages` are literal segments of it.

        Raises RequestError where the template refuses the messages or cannot express them, and
        PackageCorrupt where it misbehaves.
        """
        if self._template is None:
            raise RequestError(
                "The model is not a chat model: it has no chat template. "
                "Use the completions endpoint.",
                param="model",
            )
        if not messages:
            raise RequestError("There must be at least one message.", param="messages")
        self._check_variables(options)
        texts = list(texts_of(messages, options.tools))
        shield = Shield(self._control_pattern, [*texts, self.source])
        end = shield.unused_mark() if options.continues_final_message else ""
        last = replace(messages[-1], content=messages[-1].content + end)
        variables: dict[str, object] = {
            **self._tokens,
            **dict(options.variables),
            "messages": [
                message_value(message, shield.hide, options) for message in (*messages[:-1], last)
            ],
            "tools": [tool_value(tool, shield.hide) for tool in options.tools] or None,
            "documents": None,
            "add_generation_prompt": options.begins_answer and not options.continues_final_message,
            BUDGET: Budget(sum(map(len, texts)), len(messages)),
        }
        rendered = _run(self._template, variables)
        return shield.segments(_up_to(rendered, end) if end else rendered)

    def _check_variables(self, options: TemplateOptions) -> None:
        for name, _ in options.variables:
            if not self.knows(name):
                raise RequestError(
                    f"The model's chat template does not know {name!r}.",
                    param=f"chat_template_kwargs.{name}",
                )

    def _compile(self, source: str) -> Template:
        if len(source) > _MAX_SOURCE_CHARS:
            raise PackageCorrupt(
                f"The model's chat template is longer than {_MAX_SOURCE_CHARS} characters."
            )
        sandbox = Sandbox()
        sandbox.add_filter("tojson", _to_json)
        sandbox.globals["strftime_now"] = lambda pattern: self._now().strftime(pattern)
        try:
            return sandbox.from_string(source)
        except Exception as error:  # noqa: BLE001  foreign code: Python's compiler fails in many ways
            raise PackageCorrupt(
                f"The model's chat template does not compile: {_reason(error)}"
            ) from None

    def _probe(self) -> None:
        """Finds at load what would otherwise fail at every request."""
        # The template may well have its reasons against these very messages.
        with suppress(RequestError):
            self.render(_PROBE)


def _up_to(rendered: str, end: str) -> str:
    """What comes before the last `end`. Raises RequestError where the template left it out."""
    before, found, _ = rendered.rpartition(end)
    if not found:
        raise RequestError(
            "The model's chat template does not show the final message, which so cannot be "
            "continued.",
            param="continue_final_message",
        )
    return before


def _run(template: Template, variables: Mapping[str, object]) -> str:
    try:
        return template.render(variables)
    except TemplateRefusedError as error:
        raise RequestError(
            f"The model's chat template refuses the messages: {_reason(error)}", param="messages"
        ) from None
    except (SecurityError, RecursionError, MemoryError) as error:
        raise PackageCorrupt(f"The model's chat template was stopped: {_reason(error)}") from None
    except Exception as error:  # noqa: BLE001  foreign code: it can raise whatever Python can
        raise RequestError(
            f"The model's chat template cannot render the messages: {_reason(error)}",
            param="messages",
        ) from None


def _reason(error: Exception) -> str:
    reason = str(error) or type(error).__name__
    return reason if reason.endswith((".", "!", "?")) else f"{reason}."


def _to_json(
    value: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON as transformers writes it for templates: not escaped for HTML, keys unsorted."""
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )
