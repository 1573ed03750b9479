"""What a request is for, in each of the forms in which its target may be written."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from litestar.types import HTTPScope


def in_origin_form(scope: HTTPScope) -> HTTPScope:
    """`scope` as it is where the target is a path (RFC 9112, section 3.2).

    A target that is a whole URL, as clients send it to what they take for a proxy, names the host
    that counts instead of the header's. `*` is what OPTIONS asks of the server itself. Anything
    else that does not begin with a slash is left as it is, and no route.
    """
    if scope["path"].startswith("/"):
        return scope
    if scope["path"] == "*" and scope["method"] == "OPTIONS":
        return {**scope, "path": "/", "raw_path": b"/"}
    try:
        url = urlsplit(scope["raw_path"].decode("ascii"))
    except (UnicodeDecodeError, ValueError):
        return scope
    if url.scheme not in {"http", "https"} or not url.netloc:
        return scope
    others = [(name, value) for name, value in scope["headers"] if name != b"host"]
    return {
        **scope,
        "path": unquote(url.path) or "/",
        "raw_path": url.path.encode() or b"/",
        "headers": [(b"host", url.netloc.encode()), *others],
    }
