"""The bytes of a Modelfile to its text."""

from __future__ import annotations

import codecs

_ENCODINGS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}


def decoded(data: bytes) -> str:
    """As the byte order mark has it, which Windows PowerShell writes, else in UTF-8.

    Raises UnicodeDecodeError for what is no text.
    """
    mark = next(filter(data.startswith, _ENCODINGS), b"")
    text = data.removeprefix(mark).decode(_ENCODINGS.get(mark, "utf-8"))
    if text.count("\n") == text.count("\r\n"):
        # All lines end as those of Windows, which are its editors' and not meant for a prompt.
        return text.replace("\r\n", "\n")
    return text
