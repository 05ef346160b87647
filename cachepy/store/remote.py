"""Where the far part of a cache is, as a decorator, the configuration or the environment says; nothing is asked yet."""

from __future__ import annotations

import os

from cachepy.core.model import Record
from cachepy.errors import CacheReadWarning, CacheWriteWarning, UsageError, UsageValueError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachepy.errors import Warner
    from cachepy.store.entries import Store

REMOTE, TRUST, UPLOAD = "CACHEPY_REMOTE", "CACHEPY_TRUST_REMOTE", "CACHEPY_UPLOAD"
UPLOADS = "now", "background"
_YES = {"1": True, "true": True, "yes": True, "": False, "0": False, "false": False, "no": False}


class Remote(Record):
    """The addresses, nearest last; whether what is there is used without a signature; when it is sent."""

    __slots__ = ("urls", "trusts", "upload")
    urls: tuple[str, ...]
    trusts: bool
    upload: str

    @classmethod
    def of_environment(cls) -> Remote | None:
        """``CACHEPY_REMOTE``, ``CACHEPY_TRUST_REMOTE``, ``CACHEPY_UPLOAD``."""
        urls = urls_of(REMOTE, os.environ.get(REMOTE, "").split())
        if not urls:
            return None
        return cls(urls, trusts_of_environment(), upload_of(UPLOAD, os.environ.get(UPLOAD) or UPLOADS[0]))

    def attach(self, store: Store, warner: Warner, *, waits: bool = False) -> None:
        """Give a cache directory its far part; waits: whether each result is sent at once."""
        from cachepy.store.far import Far  # most programs have none
        from cachepy.store.objects import Objects

        def warn(what: str, url: str, text: str) -> None:
            kind, so = _SAID[what]
            warner.warn(kind, f"{text}; {so}", "remote", what, url)

        far = Far(map(Objects, self.urls), store, trusts=self.trusts, warn=warn)
        far.said = self
        far.sender.is_in_background = self.upload == UPLOADS[1] and not waits
        store.far = far


_SAID = {
    "read": (CacheReadWarning, "the program goes on with what is here, and asks again in half a minute"),
    "write": (CacheWriteWarning, "results are kept here only; `cachepy push` sends them later"),
}


def check_trusted(urls: tuple[str, ...]) -> None:
    """UsageError unless the environment says why what is far may be loaded."""
    if not os.environ.get("CACHEPY_SIGNING_KEY") and not trusts_of_environment():
        raise UsageError(
            f"remote={' '.join(urls)} needs signing_key=... (or CACHEPY_SIGNING_KEY), or trust_remote=True (or "
            f"{TRUST}=1): to load what others stored there can run their code"
        )


def trusts_of_environment() -> bool:
    """Whether the environment says that what is far is used without a signature."""
    text = os.environ.get(TRUST, "").lower()
    if text not in _YES:
        raise UsageError(f"{TRUST} must be 1 or 0, not {text!r}")
    return _YES[text]


def urls_of(option: str, value: Any) -> tuple[str, ...]:
    """Addresses, or paths of folders, each as it is reached from everywhere."""
    if value is None:
        return ()
    items = [value] if isinstance(value, (str, os.PathLike)) else value
    if not isinstance(items, (list, tuple)) or not all(isinstance(each, (str, os.PathLike)) for each in items):
        raise UsageError(f"{option} must be an address such as 's3://bucket/prefix', or a list of such, not {value!r}")
    urls = tuple([_url(option, os.fspath(each)) for each in items])
    if len({*urls}) < len(urls):
        raise UsageValueError(f"{option} names an address twice: {' '.join(urls)}")
    return urls


def _url(option: str, text: str) -> str:
    if not text.strip():
        raise UsageValueError(f"{option} holds an empty address")
    if "://" in text:
        return text.rstrip("/")
    return os.path.abspath(os.path.expanduser(text))


def upload_of(option: str, value: Any) -> str:
    """When results are sent."""
    if value not in UPLOADS:
        raise UsageValueError(f"{option} must be {' or '.join(map(repr, UPLOADS))}, not {value!r}")
    return str(value)
