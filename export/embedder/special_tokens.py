"""The special tokens around a text, put into the tokenizer.json: there the service looks for them.

Some tokenizers have them in their own file, others in settings beside it, which the classes of
transformers and llama.cpp go by.
"""

from __future__ import annotations

from tokenizers import Tokenizer, normalizers, processors

from export.checkpoints.base import TokenizerFiles
from export.errors import ExportError
from export.tokenizing import encode, load_tokenizer

_PROBE = "a"


def complete_tokenizer(files: TokenizerFiles, *, lower_case: bool) -> bytes:
    """A tokenizer.json that neither cuts nor pads, and begins and ends a text as `files` say.

    Raises ExportError for one that cannot be used.
    """
    tokenizer = load_tokenizer(files.tokenizer_json)
    if lower_case:
        own = [] if tokenizer.normalizer is None else [tokenizer.normalizer]
        tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), *own])
    before, after = _around(tokenizer)
    wanted_before, wanted_after = list(before), list(after)
    if files.add_bos_token and files.bos_token_id is not None and not before:
        wanted_before = [files.bos_token_id]
    if files.closing_token_id is not None and after[-1:] != [files.closing_token_id]:
        wanted_after = [*after, files.closing_token_id]
    if (wanted_before, wanted_after) != (before, after):
        tokenizer.post_processor = _template(tokenizer, wanted_before, wanted_after)
    content: str = tokenizer.to_str()
    return content.encode()


def require_another_end(tokenizer: bytes, pad_id: int) -> None:
    """Raises ExportError for a classifier's `tokenizer` that ends texts with the padding token:
    transformers judges them at the last token that is none."""
    _, after = _around(load_tokenizer(tokenizer))
    if after[-1:] == [pad_id]:
        raise ExportError("a classifier whose texts end with its padding token is not supported")


def _around(tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """The special tokens before and behind a text."""
    bare = encode(tokenizer, _PROBE, add_special_tokens=False)
    whole = encode(tokenizer, _PROBE)
    for start in range(len(whole) - len(bare) + 1):
        if whole[start : start + len(bare)] == bare:
            return whole[:start], whole[start + len(bare) :]
    raise ExportError("its tokenizer.json cannot be used: it puts special tokens into a text")


def _template(
    tokenizer: Tokenizer, before: list[int], after: list[int]
) -> processors.TemplateProcessing:
    """Each text of a pair between the same tokens, as transformers has it for Llama."""
    names = {token_id: tokenizer.id_to_token(token_id) for token_id in (*before, *after)}
    if None in names.values():
        raise ExportError("its tokenizer.json cannot be used: it lacks its own special tokens")
    first = [*(names[i] for i in before), "$A", *(names[i] for i in after)]
    second = [*(names[i] for i in before), "$B", *(names[i] for i in after)]
    return processors.TemplateProcessing(
        single=[f"{piece}:0" for piece in first],
        pair=[*(f"{piece}:0" for piece in first), *(f"{piece}:1" for piece in second)],
        special_tokens=[(name, token_id) for token_id, name in names.items()],
    )
