"""What a derived model says over its package: the contents of a Modelfile, as they are stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from service.store.manifest import GenerationDefaults

Role = Literal["system", "user", "assistant"]
Positive = Annotated[int, Meta(ge=1, lt=2**31)]

_OLLAMAS_WINDOW = 64
"""Its default of `repeat_last_n`, which counts where a Modelfile penalises repetition."""

UNLIMITED = (-1, -2)
"""Values of `num_predict`: without end and until the context is full, which is the same here."""


class Parameters(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True
):
    """Ollama's names and meanings; None is what nobody has set.

    The last ones change nothing here: the context is never shifted, and speed is not theirs.
    """

    num_ctx: Positive | None = None
    num_predict: Annotated[int, Meta(ge=-2, lt=2**31)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=100)] | None = None
    top_k: Annotated[int, Meta(ge=-1, lt=2**31)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    min_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    repeat_penalty: Annotated[float, Meta(ge=0.01, le=10)] | None = None
    repeat_last_n: Annotated[int, Meta(ge=-1, lt=2**31)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    stop: tuple[Annotated[str, Meta(min_length=1, max_length=1024)], ...] | None = None
    num_keep: Annotated[int, Meta(ge=-1, lt=2**31)] | None = None
    num_batch: Positive | None = None
    typical_p: float | None = None
    tfs_z: float | None = None
    mirostat: int | None = None
    penalize_newline: bool | None = None
    use_mmap: bool | None = None
    use_mlock: bool | None = None
    low_vram: bool | None = None
    numa: bool | None = None
    vocab_only: bool | None = None
    logits_all: bool | None = None
    embedding_only: bool | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for a limit of no tokens."""
        if self.num_predict == 0:
            raise ValueError("num_predict must be at least 1, or -1 for no limit")

    def over(self, base: Parameters) -> Parameters:
        """These, and `base`'s where these say nothing."""
        given = {name: getattr(self, name) for name in self.named()}
        return msgspec.structs.replace(base, **given)

    def named(self) -> list[str]:
        """The parameters that are set."""
        names = self.__struct_fields__
        return [name for name in names if getattr(self, name) is not None]


class Turn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One message of a conversation that goes before every request's."""

    role: Role
    content: str


class Overrides(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True
):
    """What holds instead of the package's own; None and () leave that as it is, and so does an
    empty template, as with Ollama: no prompt could be made of it.

    `template` is kept as it was written, in Jinja or as a Go template. Hashable, so that what was
    made from it can be found again.
    """

    parameters: Parameters = Parameters()
    system: str | None = None
    template: str | None = None
    messages: tuple[Turn, ...] = ()
    licenses: tuple[str, ...] = ()

    def over(self, base: Overrides) -> Overrides:
        """These on top of `base`, as Ollama does it: parameters one by one, licences together."""
        return Overrides(
            parameters=self.parameters.over(base.parameters),
            system=base.system if self.system is None else self.system,
            template=self.template or base.template,
            messages=self.messages or base.messages,
            licenses=tuple(dict.fromkeys((*base.licenses, *self.licenses))),
        )


NO_OVERRIDES = Overrides()


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDefaults:
    """What a request gets that says nothing itself; None leaves it to the API's own default.

    The names are those of the service: `repetition_penalty` is what Ollama calls
    `repeat_penalty`, `max_tokens` its `num_predict`. `repetition_window` goes with that penalty: a
    request that brings one of its own means all tokens.
    """

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    repetition_window: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()


def request_defaults(package: GenerationDefaults, parameters: Parameters) -> RequestDefaults:
    """The package's own, under what a Modelfile has set."""
    limit, seed = parameters.num_predict, parameters.seed
    penalty, window = parameters.repeat_penalty, parameters.repeat_last_n
    window = _OLLAMAS_WINDOW if window is None else window
    return RequestDefaults(
        temperature=_first(parameters.temperature, package.temperature),
        top_p=_first(parameters.top_p, package.top_p),
        top_k=parameters.top_k,
        min_p=parameters.min_p,
        repetition_penalty=penalty if window else None,
        repetition_window=None if penalty is None or window <= 0 else window,
        presence_penalty=parameters.presence_penalty if window else None,
        frequency_penalty=parameters.frequency_penalty if window else None,
        seed=None if seed is None or seed < 0 else seed,
        max_tokens=None if limit in UNLIMITED else limit,
        stop=parameters.stop or (),
    )


def _first(asked: float | None, default: float | None) -> float | None:
    return default if asked is None else asked
