"""Whether the service can use a model's tokenizer and chat template, asked of its own code.

What it would refuse at every request is refused before the long part of an export.
"""

from __future__ import annotations

from export.checkpoints.base import TokenizerFiles
from export.checkpoints.json_file import one_line
from export.errors import ExportError
from export.quiet import native_silence
from service.dialogue.dialogue import Dialogue
from service.dialogue.template import ChatTemplate
from service.encoder.tokens import SequenceTokenizer
from service.errors import PackageCorrupt
from service.text.tokenizer import Tokenizer


def require_servable_text(files: TokenizerFiles, vocab_size: int) -> None:
    """Raises ExportError for a tokenizer that the service could not use with weights of
    `vocab_size` tokens, and for a chat template that it could not render."""
    try:
        with native_silence():
            tokenizer = Tokenizer(files.tokenizer_json, bos_token_id=files.bos_token_id)
    except PackageCorrupt as error:
        raise ExportError(f"its tokenizer cannot be served: {one_line(str(error))}") from error
    _require_fitting(tokenizer, vocab_size)
    _require_template(files, tokenizer)


def require_servable_sequences(tokenizer_json: bytes, vocab_size: int) -> None:
    """As `require_servable_text`, of the tokenizer of a model that reads whole texts."""
    try:
        with native_silence():
            tokenizer = SequenceTokenizer(tokenizer_json)
    except PackageCorrupt as error:
        raise ExportError(f"its tokenizer cannot be served: {one_line(str(error))}") from error
    _require_fitting(tokenizer, vocab_size)


def _require_fitting(tokenizer: Tokenizer | SequenceTokenizer, vocab_size: int) -> None:
    if not tokenizer.fits(vocab_size):
        raise ExportError(
            "the tokenizer does not belong to the weights: it has token ids up to "
            f"{tokenizer.vocab_size - 1}, and there are {vocab_size} tokens in the weights"
        )


def _require_template(files: TokenizerFiles, tokenizer: Tokenizer) -> None:
    if files.chat_template is None:
        return
    eos = files.eos_token_ids
    try:
        template = ChatTemplate(
            files.chat_template,
            bos_token=None if files.bos_token_id is None else tokenizer.token(files.bos_token_id),
            eos_token=tokenizer.token(eos[0]) if eos else None,
            control_tokens=tokenizer.control_tokens,
        )
        Dialogue(template, tokenizer.control_tokens)
    except PackageCorrupt as error:
        raise ExportError(
            f"{files.template_origin}: {one_line(str(error))} Without its template the model can "
            "be exported, and completes texts but does not chat"
        ) from error
