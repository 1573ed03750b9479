from __future__ import annotations

import pytest

from service.modelfile.encoding import decoded

TEXT = 'FROM a\nSYSTEM "Grüße, 世界\n🦜"\n'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_byte_order_mark_tells_the_encoding(encoding: str) -> None:
    assert decoded(TEXT.encode(encoding)) == TEXT


def test_both_orders_of_bytes_are_read() -> None:
    assert decoded(b"\xff\xfe" + TEXT.encode("utf-16-le")) == TEXT
    assert decoded(b"\xfe\xff" + TEXT.encode("utf-16-be")) == TEXT


@pytest.mark.parametrize(
    "data", [b"FROM a\nSYSTEM \xff\n", b"\xef\xbb\xbf\xff", b"\xff\xfea", b"\xff\xfe\x00\xd8"]
)
def test_bytes_that_are_no_text_are_refused(data: bytes) -> None:
    with pytest.raises(UnicodeDecodeError):
        decoded(data)


def test_lines_of_windows_end_as_all_others_but_no_text_is_changed() -> None:
    assert decoded(TEXT.replace("\n", "\r\n").encode("utf-16")) == TEXT
    mixed = 'FROM a\nSYSTEM "b\r\nc\rd"\n'
    assert decoded(mixed.encode()) == mixed
    assert decoded(mixed.replace("\n", "\r\n").encode()) == mixed
    assert decoded(b"FROM a") == "FROM a"
