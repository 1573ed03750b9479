"""`retort run`: chats with a model at the terminal, or asks it once.

A service that runs answers; where none does, this process serves for as long as it lasts. A model
that is missing is pulled first. An empty prompt has the service load the model.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import msgspec

from service.cli.arguments import VerbParser, settings_of
from service.cli.chat.answering import answer
from service.cli.chat.commands import Chat
from service.cli.chat.loop import converse
from service.cli.chat.session import Session
from service.cli.chat.settings import read_form, read_think
from service.cli.client.connection import Address
from service.cli.client.private import private_service
from service.cli.client.request import EmbedRequest, or_unset
from service.cli.client.service import Served, Service
from service.cli.errors import CommandError, NoServer, Refused, WrongUsage
from service.cli.making import export_model
from service.cli.output import print_json
from service.cli.streams import checked_text, piped_text
from service.errors import ModelNotFound
from service.settings import Settings
from service.settings.durations import parse_duration
from service.store.packages import Store

_NOTHING = ""
"""The prompt by which a model is loaded and not asked, as with Ollama."""


def run(arguments: Sequence[str]) -> int:
    """The exit status, 0; CommandError or RetortError if there is no answer."""
    options = parser().parse_intermixed_args([_think_alone(word) for word in arguments])
    settings = settings_of(options)
    session = _session(options)
    prompt = _prompt(options.prompt)
    with _serving(settings, session.model, stays=prompt == _NOTHING) as address:
        service = Service(address)
        served = _pulled(service, settings, session.model, address)
        if prompt == _NOTHING:
            service.load(session.model, session.keep_alive)
        elif "completion" not in served.capabilities:
            _print_vector(service, options, prompt)
        elif prompt is not None:
            answer(service, session, prompt)
        else:
            session.is_interactive = True
            converse(Chat(session, service, Store(settings.models_folder)))
    return 0


def parser() -> VerbParser:
    parser = VerbParser("run", __doc__)
    add = parser.add_argument
    add("model", metavar="MODEL")
    add(
        "prompt",
        nargs="*",
        metavar="PROMPT",
        help='ask this, and end; "" loads the model (default: chat)',
    )
    add("--keepalive", metavar="TIME", help="how long the model stays loaded, such as 5m")
    add("--verbose", action="store_true", help="show how fast the answer was")
    add("--format", metavar="json|SCHEMA", help="hold the answer to JSON, or to a JSON schema")
    add("--think", metavar="LEVEL", help="=true, =false, =low, =medium, =high, =max; alone: true")
    add("--hidethinking", action="store_true", help="show the answer without the thoughts")
    add("--nowordwrap", action="store_true", help="do not break lines between words")
    add("--dimensions", type=int, metavar="N", help="embedding models: length of the vector")
    add(
        "--truncate",
        action="store_true",
        default=None,
        help="embedding models: read the beginning of a text that is too long; without it that is "
        "told, and =false refuses the text",
    )
    parser.add_store()
    return parser


def _think_alone(word: str) -> str:
    """`--think` has a value only where one is attached: what follows it is the prompt."""
    return "--think=true" if word == "--think" else word


def _session(options: argparse.Namespace) -> Session:
    try:
        if options.keepalive is not None:
            parse_duration(options.keepalive)
    except ValueError as error:
        raise WrongUsage(f"--keepalive must be {error}") from None
    return Session(
        model=options.model,
        form=None if options.format is None else read_form(options.format),
        think=None if options.think is None else read_think(options.think),
        keep_alive=options.keepalive,
        verbose=options.verbose,
        hides_thinking=options.hidethinking,
        wraps=not options.nowordwrap,
        keeps_history=not os.environ.get("OLLAMA_NOHISTORY"),
    )


def _prompt(words: Sequence[str]) -> str | None:
    """What is piped in comes before what the command line says; None to chat, and `_NOTHING` where
    the command line says just that."""
    piped = piped_text()
    said = checked_text(" ".join([*filter(str.strip, [piped or ""]), *words]), "the prompt")
    if said.strip():
        return said
    if words:
        return _NOTHING
    if piped is not None:
        raise CommandError("there is nothing to ask: standard input is empty")
    return None


def _serving(settings: Settings, model: str, *, stays: bool) -> AbstractContextManager[Address]:
    """A service that runs, or one of this process's own, in which no model `stays` loaded."""
    address = Address.of(settings, os.environ)
    if address.is_served():
        return nullcontext(address)
    if stays:
        raise NoServer(
            f"no service at {address} could keep {model[:80]} loaded; start one with `retort serve`"
        )
    if not address.is_here:
        raise CommandError(
            f"no service answers at {address}, which RETORT_HOST or OLLAMA_HOST name"
        )
    return private_service(settings)


def _pulled(service: Service, settings: Settings, model: str, address: Address) -> Served:
    try:
        return service.describe(model)
    except ModelNotFound:
        if not address.is_here:
            raise
    export_model(Store(settings.models_folder), model, ["--for", service.device()])
    try:
        return service.describe(model)
    except ModelNotFound:
        raise CommandError(
            f"{model} was pulled into {settings.models_folder}, which is not the store of the "
            f"service at {address}"
        ) from None


def _print_vector(service: Service, options: argparse.Namespace, prompt: str | None) -> None:
    if prompt is None:
        raise CommandError(f"{options.model} embeds texts: give it one")
    ask = EmbedRequest(
        model=options.model,
        input=prompt,
        dimensions=or_unset(options.dimensions),
        truncate=bool(options.truncate),
        keep_alive=or_unset(options.keepalive),
    )
    print_json(_vector(service, ask, is_told=options.truncate is None))


def _vector(service: Service, ask: EmbedRequest, *, is_told: bool) -> list[float]:
    """Of the text's beginning where it `is_told` that this is all that the model can read, which
    is what Ollama makes of such a text. Raises CommandError where that is neither asked nor told.
    """
    try:
        return service.embed(ask).vector
    except Refused:
        if ask.truncate:
            raise
        # Refused again unless its length was what is wrong with it.
        cut = service.embed(msgspec.structs.replace(ask, truncate=True))
    too_long = f"the text is longer than the {cut.num_tokens} tokens that {ask.model} reads"
    if not is_told:
        raise CommandError(f"{too_long}; with --truncate its beginning is embedded")
    print(f"retort: {too_long}; the vector is that of its beginning", file=sys.stderr)
    return cut.vector
