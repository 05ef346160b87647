"""What a server of the web says of one of its files: its version, or its content.

Asked without fsspec: there each failure means that there is no such file, and here that is only what 404 and 410 say.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_GONE = (404, 410)
_LATER = (408, 425, 429)  # it may say more when it is asked again
_SECONDS = 20
_CHUNK = 1 << 20


class RefusedError(OSError):
    """A page that this request does not get; another one may, as with a password that a body has.

    Examples
    --------
    >>> from cachepy.store.web_pages import RefusedError
    >>> str(RefusedError("HTTP Error 403: Forbidden"))
    'HTTP Error 403: Forbidden'
    """


def version(url: str) -> str | None:
    """Its ETag; None if it says none. FileNotFoundError if there is no such page, OSError if there is no answer.

    Asked by HEAD alone, also where a server knows only GET: to get a page that is perhaps none may do something there.
    """
    try:
        with _opened(url, "HEAD") as answer:
            told = answer.headers.get("ETag")
    except RefusedError:
        return None
    return None if told is None else f"ETag {told}"


def content(url: str) -> str:
    """The digest of what it gives."""
    from xxhash import xxh3_128

    hasher = xxh3_128()
    with _opened(url, "GET") as answer:
        while data := answer.read(_CHUNK):
            hasher.update(data)
    return hasher.hexdigest()


def _opened(url: str, method: str) -> Any:
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    headers = {"Cache-Control": "no-cache", "User-Agent": "cachepy"}  # none between us and the server answers for it
    try:
        return urlopen(Request(url, method=method, headers=headers), timeout=_SECONDS)  # noqa: S310 - see `WEB`
    except HTTPError as error:
        error.close()
        if error.code in _GONE:
            raise FileNotFoundError(url) from error
        if (error.code < 500 or error.code == 501) and error.code not in _LATER:
            raise RefusedError(str(error)) from error
        raise
