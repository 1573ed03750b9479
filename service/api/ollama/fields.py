"""Every request field of Ollama's API: what is done. See `service.api.openai.fields`."""

from __future__ import annotations

from collections.abc import Mapping

from service.api.openai.fields import Honoured, OneOf, Treatment

_KEEP_ALIVE = 'seconds or a text such as `"5m"`; 0 unloads the model, -1 keeps it'
_OPTIONS = "each one honoured or refused by name, as in a Modelfile"

_ANSWER: Mapping[str, Treatment] = {
    "model": Honoured("a model of the store; the answer repeats the name as it was given"),
    "stream": Honoured("true without it: lines of JSON"),
    "think": Honoured("true, false, low, medium, high, max, as the model's template has it"),
    "format": Honoured("`json` or a schema; enforced"),
    "options": Honoured(_OPTIONS),
    "keep_alive": Honoured(_KEEP_ALIVE),
    "logprobs": Honoured("of the raw logits, before temperature and penalties"),
    "top_logprobs": Honoured("0 to 20"),
    "shift": OneOf((False,)),
    "truncate": OneOf((False,)),
}

GENERATE: Mapping[str, Treatment] = {
    **_ANSWER,
    "prompt": Honoured("without one the model is loaded, or unloaded by `keep_alive` 0"),
    "suffix": Honoured("with models whose vocabulary has tokens for it"),
    "system": Honoured("instead of the model's own"),
    "template": Honoured("Jinja, or a Go template of the common shapes"),
    "raw": Honoured("the prompt as it is, without a template"),
    "context": OneOf(([],)),
    "images": OneOf(([],)),
    "width": OneOf(),
    "height": OneOf(),
    "steps": OneOf(),
}

CHAT: Mapping[str, Treatment] = {
    **_ANSWER,
    "messages": Honoured(
        "roles system, user, assistant, tool; without any the model is loaded or unloaded; a final "
        "message of the assistant is continued"
    ),
    "tools": Honoured("up to 128 functions; arguments always valid under their schemas"),
}

EMBED: Mapping[str, Treatment] = {
    "model": Honoured("a model of the store that embeds"),
    "input": Honoured("a text or texts, up to 2048; without any the model is loaded"),
    "truncate": Honoured(
        "whether the beginning of what is too long is read, or it is refused: without it true for "
        "/api/embed, false for /api/embeddings"
    ),
    "dimensions": Honoured("so many of each vector's, at length 1 again"),
    "options": Honoured(_OPTIONS),
    "keep_alive": Honoured(_KEEP_ALIVE),
}

EMBEDDINGS: Mapping[str, Treatment] = {
    "model": EMBED["model"],
    "prompt": Honoured("one text"),
    "truncate": EMBED["truncate"],
    "options": Honoured(_OPTIONS),
    "keep_alive": Honoured(_KEEP_ALIVE),
}

_NAMED: Mapping[str, Treatment] = {
    "model": Honoured(),
    "name": Honoured("the older `model`"),
}

SHOW: Mapping[str, Treatment] = {
    **_NAMED,
    "verbose": Honoured("there is no more to tell"),
    "system": OneOf(("",)),
    "template": OneOf(("",)),
    "options": OneOf(({},)),
}

DELETE: Mapping[str, Treatment] = _NAMED

PULL: Mapping[str, Treatment] = {
    "model": Honoured("a name of the catalogue, or of a repository of the hub"),
    "name": _NAMED["name"],
    "stream": Honoured("true without it: lines of JSON"),
    "insecure": OneOf((False,)),
    "username": OneOf(("",)),
    "password": OneOf(("",)),
}

COPY: Mapping[str, Treatment] = {
    "source": Honoured(),
    "destination": Honoured(),
}

CREATE: Mapping[str, Treatment] = {
    **_NAMED,
    "from": Honoured("a model of the store, or what can be pulled"),
    "system": Honoured(),
    "template": Honoured("Jinja, or a Go template of the common shapes"),
    "parameters": Honoured("each one honoured or refused by name, as in a Modelfile"),
    "messages": Honoured("roles system, user, assistant"),
    "license": Honoured("a text or texts"),
    "stream": Honoured("true without it: lines of JSON"),
    "files": Honoured("one GGUF file by its name and digest, uploaded before; instead of `from`"),
    "adapters": OneOf(({},)),
    "quantize": OneOf(("",)),
    "quantization": OneOf(("",)),
    "renderer": OneOf(("",)),
    "parser": OneOf(("",)),
    "requires": OneOf(("",)),
    "modelfile": OneOf(("",)),
    "path": OneOf(("",)),
    "info": OneOf(({},)),
    "remote_host": OneOf(("",)),
    "draft": OneOf(("",)),
}
