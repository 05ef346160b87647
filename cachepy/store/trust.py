"""Whose files are read, and who may read ours: owners, signatures, and the mode of what is created.

Values are pickles, and loading a pickle runs code; so before one is loaded, its file has to belong to
somebody who is trusted, and, if there is a key, to be signed with it.
"""

from __future__ import annotations

import os

from cachepy.errors import UntrustedEntryError, UsageError, UsageValueError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

SEAL = 64  # bytes at the end of a signed file: a signature of all that is unpickled, one of the buffers
_SHORTEST = 16  # characters of a key
_ANYONE = "*"


class Trust:
    """What a cache directory trusts.

    Parameters
    ----------
    owners : iterable of int or str
        Users (names or numbers) whose entries are loaded, besides one's own; ``"*"``: anybody's.
    key : bytes, optional
        Entries are signed with it, and only those are loaded that are.
    umask : int, optional
        Directories and files are created with it instead of privately.
    """

    __slots__ = ("anyone", "key", "owners", "umask")

    def __init__(self, owners: Iterable[int | str] = (), key: bytes | None = None, umask: int | None = None) -> None:
        named = set(owners)
        self.anyone = _ANYONE in named
        self.owners = frozenset(number_of(o) for o in named - {_ANYONE})
        self.key = key
        self.umask = umask

    @classmethod
    def of_environment(cls) -> Trust:
        """``CACHEPY_TRUSTED_OWNERS``, ``CACHEPY_SIGNING_KEY``, ``CACHEPY_UMASK``."""
        owners = [o.strip() for o in os.environ.get("CACHEPY_TRUSTED_OWNERS", "").split(",")]
        key, umask = os.environ.get("CACHEPY_SIGNING_KEY"), os.environ.get("CACHEPY_UMASK")
        return cls(
            [o for o in owners if o],
            None if not key else key_of("CACHEPY_SIGNING_KEY", key),
            None if not umask else umask_of("CACHEPY_UMASK", umask),
        )

    def plus(self, owners: Iterable[int | str], key: bytes | None, umask: int | None, where: str) -> Trust:
        """With what one function's decorator adds; UsageValueError if it contradicts another's."""
        for option, mine, other in (("signing_key", self.key, key), ("umask", self.umask, umask)):
            if mine is not None and other is not None and mine != other:
                raise UsageValueError(
                    f"{option} differs from that of another function, or of the environment, with the cache {where}; "
                    f"one cache directory has one"
                )
        known = {*self.owners, *([_ANYONE] if self.anyone else []), *owners}
        return Trust(known, self.key or key, self.umask if umask is None else umask)

    def trusts(self, uid: int) -> bool:
        """Whether files of a user are read."""
        return self.anyone or uid == _me() or uid in self.owners

    def check_owner(self, path: str, uid: int) -> None:
        """UntrustedEntryError for the file of a stranger."""
        if self.trusts(uid):
            return
        raise UntrustedEntryError(
            f"{path} belongs to {name_of(uid)}, not to you: loading it could run their code, so it is not used. If you "
            f"trust them, say so with trusted_owners=[{name_of(uid)!r}] or CACHEPY_TRUSTED_OWNERS={name_of(uid)}",
            uid,
        )

    def sign(self, parts: Iterable[Any], buffers: Iterable[Any]) -> bytes:
        """The seal of a file; empty without a key."""
        if self.key is None:
            return b""
        first = self._mac(b"file", parts)
        return first + self._mac(b"buffers", [first, *buffers])  # of this very file: halves of two seals do not fit

    def check_seal(self, path: str, seal: bytes, parts: Iterable[Any]) -> None:
        """UntrustedEntryError unless what would be unpickled is signed."""
        if self.key is None:
            return
        from hmac import compare_digest

        if not seal:
            raise UntrustedEntryError(f"{path} is not signed, but CACHEPY_SIGNING_KEY is set: it is not used")
        if not compare_digest(seal[:32], self._mac(b"file", parts)):
            raise UntrustedEntryError(f"{path} is signed with another key, or was altered: it is not used")

    def check_buffers(self, path: str, seal: bytes, buffers: Iterable[Any]) -> None:
        """UntrustedEntryError unless the arrays are those that were signed."""
        if self.key is None:
            return
        from hmac import compare_digest

        if not compare_digest(seal[32:], self._mac(b"buffers", [seal[:32], *buffers])):
            raise UntrustedEntryError(f"the arrays in {path} were altered since it was signed: it is not used")

    def _mac(self, purpose: bytes, parts: Iterable[Any]) -> bytes:
        import hmac

        mac = hmac.new(self.key or b"", purpose, "sha256")
        for part in parts:
            mac.update(b"%d:" % memoryview(part).nbytes)
            mac.update(part)
        return mac.digest()

    # -- what is created

    def make_folder(self, path: str) -> None:
        """Make a folder and those above it, private unless they are shared on purpose; it may be there."""
        path = path.rstrip("/") or path
        if os.path.isdir(path):
            return
        above = os.path.dirname(path)
        if above and not os.path.isdir(above):
            self.make_folder(above)
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            if not os.path.isdir(path):
                raise
            return  # made by somebody else just now
        if self.umask is not None:
            os.chmod(path, 0o777 & ~self.umask | _group_bit(path))

    def open_up(self, fd: int) -> None:
        """Let those who share the directory read a new file; not write it, since what is in it speaks for its owner."""
        self._set_mode(fd, 0o644)

    def open_for_all(self, fd: int) -> None:
        """Let those who share the directory add to a new file, which holds plain data of everybody's."""
        self._set_mode(fd, 0o666)

    def _set_mode(self, fd: int, mode: int) -> None:
        if self.umask is not None:
            try:
                os.fchmod(fd, mode & ~self.umask)
            except OSError:  # somebody else made it just now
                pass


def _group_bit(path: str) -> int:
    """Set on a folder inside one of a group, so that all below belongs to that group."""
    return os.stat(os.path.dirname(path) or ".").st_mode & 0o2000


def _me() -> int:
    return os.geteuid() if hasattr(os, "geteuid") else 0


def number_of(owner: int | str) -> int:
    """The number of a user; UsageValueError if there is no such user."""
    if isinstance(owner, int) and not isinstance(owner, bool):
        return owner
    if not isinstance(owner, str):
        raise UsageError(f"trusted_owners must hold names or numbers of users, not {owner!r}")
    if owner.isdecimal():
        return int(owner)
    try:
        import pwd

        return pwd.getpwnam(owner).pw_uid
    except (ImportError, KeyError):
        raise UsageValueError(f"trusted_owners names {owner!r}, but there is no such user here") from None


def name_of(uid: int) -> str:
    """The name of a user, else the number."""
    try:
        import pwd

        return pwd.getpwuid(uid).pw_name
    except (ImportError, KeyError):
        return str(uid)


def key_of(option: str, value: Any) -> bytes:
    """A signing key: text, bytes, or ``@file``; UsageError without ever showing it."""
    if isinstance(value, str) and value.startswith("@"):
        try:
            with open(os.path.expanduser(value[1:]), "rb") as file:
                value = file.read().strip()
        except OSError as error:
            raise UsageError(f"{option} names the file {value[1:]}, which cannot be read: {error.strerror}") from None
    key = value.encode() if isinstance(value, str) else value
    if not isinstance(key, bytes):
        raise UsageError(f"{option} must be a str or bytes, or '@' and the name of a file that holds the key")
    if len(key) < _SHORTEST:
        raise UsageValueError(f"{option} must have {_SHORTEST} characters or more: a shorter key can be guessed")
    return key


def umask_of(option: str, value: Any) -> int:
    """A umask: a number, or octal digits as text."""
    try:
        mask = int(value, 8) if isinstance(value, str) else value
    except ValueError:
        mask = -1
    if not isinstance(mask, int) or isinstance(mask, bool) or not 0 <= mask <= 0o777:
        raise UsageValueError(f"{option} must be an octal umask such as '007' (shared with the group), not {value!r}")
    if mask & 0o700:
        raise UsageValueError(f"{option}={value!r} would take the files from yourself; its first digit must be 0")
    return mask
