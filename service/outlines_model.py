"""Retort as a library: a model of outlines that runs in this process.

    with from_retort("smollm2:135m") as model:
        friends = model("My friends are Ann (22) and Bo (23). As JSON:", FriendList)

Nothing of the server imports this: outlines brings in torch and transformers where they are
installed, and takes memory that a server has better uses for.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine, Iterator, Sequence
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec
from outlines.inputs import Chat
from outlines.models import VLLMOffline
from outlines.models.base import Model, ModelTypeAdapter
from outlines.types.dsl import CFG, JsonSchema, python_types_to_terms, to_regex

from service.constraints.guard import check_whitespace
from service.constraints.prepare import (
    PreparedForm,
    SchemaOptions,
    prepare_grammar,
    prepare_regex,
    prepare_schema,
)
from service.dialogue.message import Message
from service.engine.request import SamplingParams
from service.generation import Generation
from service.model import LoadedModel
from service.options import GenerationOptions, OutputForm
from service.runtime.providers import choose_device
from service.runtime.sessions import physical_cores, share_threads
from service.settings import Settings
from service.store.locations import default_models_folder
from service.store.packages import Store

ResultT = TypeVar("ResultT")

_PARAM = "output_type"


def from_retort(name: str, settings: Settings | None = None) -> Retort:
    """The model called `name` of the store, loaded; close it, or use it in a `with`.

    Without `settings` the store is the service's own. Raises ModelNotFound, PackageCorrupt,
    WrongDevice, NotEnoughMemory or StartupError.
    """
    settings = settings or Settings(models_folder=default_models_folder(os.environ))
    package = Store(settings.models_folder).decoder(name)
    provider = choose_device(settings.device).provider
    share_threads(settings.num_threads or physical_cores())
    loop = _LoopThread()
    try:
        model = LoadedModel(package, provider, settings, loop.loop)
        return Retort(model.served_as(package), loop)
    except BaseException:
        loop.close()
        raise


class RetortTypeAdapter(ModelTypeAdapter):
    """What users of outlines give, as Retort takes it."""

    def format_input(self, model_input: str | Chat) -> Sequence[Message] | str:
        """A text is a prompt as it is, a chat goes through the model's template.

        Raises TypeError for anything else, images among it.
        """
        if isinstance(model_input, str):
            return model_input
        if not isinstance(model_input, Chat):
            raise TypeError(f"expected a text or a Chat, not {type(model_input).__name__}")
        return [_message(message) for message in model_input.messages]

    def format_output_type(self, output_type: Any = None) -> PreparedForm | None:  # noqa: ANN401
        """Whatever outlines knows as an output type: a form, None for free text.

        Raises UnsupportedSchema for what cannot be enforced.
        """
        if output_type is None:
            return None
        term = python_types_to_terms(output_type)
        if isinstance(term, CFG):
            return prepare_grammar(term.definition, param=_PARAM)
        if isinstance(term, JsonSchema):
            return prepare_schema(
                msgspec.json.decode(term.schema),
                param=_PARAM,
                options=_schema_options(term.whitespace_pattern),
            )
        return prepare_regex(to_regex(term), param=_PARAM)


class Retort(Model):
    """A loaded model for `outlines.Generator`, or to be called itself with an output type.

    Keyword arguments are `max_tokens`, `seed` and the fields of SamplingParams.
    """

    tensor_library_name = "numpy"

    def __init__(self, model: LoadedModel, loop: _LoopThread) -> None:
        self.type_adapter = RetortTypeAdapter()
        self._model = model
        self._loop = loop

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the engine and its threads."""
        self._loop.run(self._model.close())
        self._loop.close()

    def generate(
        self,
        model_input: str | Chat,
        output_type: Any = None,  # noqa: ANN401  outlines takes any Python type
        *,
        max_tokens: int | None = None,
        **sampling: float,
    ) -> str:
        """One answer, whole."""
        (text,) = self.generate_batch([model_input], output_type, max_tokens=max_tokens, **sampling)
        return text

    def generate_batch(
        self,
        model_input: Sequence[str | Chat],
        output_type: Any = None,  # noqa: ANN401
        *,
        max_tokens: int | None = None,
        **sampling: float,
    ) -> list[str]:
        """An answer to each input, all at once."""

        async def answers() -> list[str]:
            started = [
                await self._start(each, output_type, max_tokens, sampling) for each in model_input
            ]
            return await asyncio.gather(*map(_whole, started))

        return self._loop.run(answers())

    def generate_stream(
        self,
        model_input: str | Chat,
        output_type: Any = None,  # noqa: ANN401
        *,
        max_tokens: int | None = None,
        **sampling: float,
    ) -> Iterator[str]:
        """One answer, in pieces."""
        pieces: SimpleQueue[str | BaseException | None] = SimpleQueue()

        async def produce() -> None:
            try:
                generation = await self._start(model_input, output_type, max_tokens, sampling)
                async for delta in generation:
                    pieces.put(delta.text)
            except Exception as error:  # noqa: BLE001  raised where the pieces are read
                pieces.put(error)
            pieces.put(None)

        self._loop.start(produce())
        while (piece := pieces.get()) is not None:
            if isinstance(piece, BaseException):
                raise piece
            yield piece

    async def _start(
        self,
        model_input: str | Chat,
        output_type: object,
        max_tokens: int | None,
        sampling: dict[str, Any],
    ) -> Generation:
        formatted = self.type_adapter.format_input(model_input)
        form = self.type_adapter.format_output_type(output_type)
        options = GenerationOptions(
            max_tokens=max_tokens,
            sampling=SamplingParams(**sampling),
            continues_text=isinstance(formatted, str),
            form=None if form is None else await self._compiled(form),
        )
        prompt = (
            self._model.encode_text(formatted)
            if isinstance(formatted, str)
            else self._model.encode_chat(formatted).token_ids
        )
        (generation,) = self._model.generate([prompt], options)
        return generation

    async def _compiled(self, form: PreparedForm) -> OutputForm:
        return OutputForm(await self._model.compile(form.spec), form.check)


# outlines has no registry for models of others: this makes it hand us output types as they are.
VLLMOffline.register(Retort)


class _LoopThread:
    """An event loop on a thread of its own, for code that has none."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self.loop)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


def _schema_options(whitespace: str | None) -> SchemaOptions:
    if whitespace is not None:
        check_whitespace(whitespace, param=_PARAM)
    return SchemaOptions(whitespace=whitespace)


def _message(message: dict[str, Any]) -> Message:
    content = message["content"]
    if not isinstance(content, str):
        raise TypeError("messages must be texts: the model takes no images")
    return Message(message["role"], content)


async def _whole(generation: Generation) -> str:
    return "".join([delta.text async for delta in generation])
