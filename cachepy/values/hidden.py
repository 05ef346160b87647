"""Which names stand for secrets: their values are shown nowhere, and are kept on no disk.

Names of globals are taken in a wide sense, for their values are only shown in reasons. Parameters are shown in each
label, and a call whose arguments are not kept cannot be made again by itself: so here names have to be clear ones.
`key`, `tokens` and `max_token_count` are none.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

HIDDEN = "***"
_IN_GLOBALS = ("key", "token", "secret", "password", "passwd", "credential")
_WORDS = frozenset({
    "password", "passwd", "pwd", "passphrase", "passcode", "secret", "secrets", "credential", "credentials", "auth",
    "apikey", "authtoken", "accesstoken",
})  # fmt: skip
_KEYS = frozenset({"api", "secret", "access", "private", "signing", "encryption", "auth", "account", "subscription"})


def may_be_secret(text: str) -> bool:
    """Whether a name of a global, or a text that holds names, has such a word anywhere in it."""
    lower = text.lower()
    return any(word in lower for word in _IN_GLOBALS)


def is_secret(name: str) -> bool:
    """Whether a parameter, or an item of a dict, is called like a secret.

    >>> [n for n in ("key", "api_key", "tokens", "accessToken", "author", "DB_PASSWORD", "max_tokens") if is_secret(n)]
    ['api_key', 'accessToken', 'DB_PASSWORD']
    """
    if name.isalpha() and name.islower():  # one word, as most are: this is asked at each miss
        return name in _WORDS or name == "token"
    words = _words(name.partition("[")[0])
    if not _WORDS.isdisjoint(words):
        return True
    return words[-1] == "token" or (words[-1] == "key" and not _KEYS.isdisjoint(words))


def _words(name: str) -> list[str]:
    """`accessToken` and `ACCESS_TOKEN` are two words."""
    if name.upper() != name:
        name = "".join(f"_{c}" if c.isupper() else c for c in name)
    return [word for word in name.lower().replace("-", "_").split("_") if word] or [""]


def hides(name: str, value: object) -> bool:
    """Whether the value of a parameter is a secret: what says nothing, as None, is none."""
    return value is not None and value is not True and value is not False and is_secret(name)


def has_secrets(named: Iterable[tuple[str, Any]]) -> bool:
    """Whether one of the arguments of a call is a secret, or a dict with one among them."""
    return any(hides(name, value) or (type(value) is dict and _has_inside(value)) for name, value in named)


def _has_inside(items: dict[Any, Any]) -> bool:
    return any(type(key) is str and hides(key, value) for key, value in list(items.items()))
