"""Digests of files at addresses, as ``s3://bucket/table.parquet``, by what their stores say of them.

A store of objects has a version, a generation or an ETag of each, which is another one after each change; where it has
none, the content is read.  Only these few fields are used: what libraries call a checksum may be made of the name, or
be remembered from before.  Nothing is remembered here: an address is asked for again in each verification.  What
cannot be asked has a digest that no stored one is equal to, and which says why.
"""

from __future__ import annotations

import os
import time

from xxhash import xxh3_128, xxh3_128_hexdigest

from cachepy.core.kind import UNASKED, is_address, is_unasked
from cachepy.core.kinds import FAR_KINDS
from cachepy.core.model import Dep
from cachepy.store.asking import FRESH, Asker, RemoteError, at_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

_VERSIONS = (
    "generation", "VersionId", "version_id", "ETag", "etag", "md5Hash", "content_md5", "sha", "blob_id",
)  # fmt: skip
"""Fields of a description by which two contents under one address differ."""
_PACKAGES = {
    "s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "abfss": "adlfs",
    "adl": "adlfs", "oss": "ossfs", "oci": "ocifs", "hf": "huggingface_hub", "http": "", "https": "", "ftp": "",
    "sftp": "paramiko", "ssh": "paramiko", "webdav": "webdav4", "webdavs": "webdav4", "dav": "webdav4",
    "smb": "smbprotocol", "memory": "",
}  # fmt: skip
"""Schemes of addresses at which files are, and what has to be installed to ask there.

Not hdfs: its addresses are mostly those of other programs, such as Spark, and to ask there is more than a package.
"""
STORES = _PACKAGES.keys() - {"ftp", "sftp", "ssh", "webdav", "webdavs", "dav", "smb"}
"""Those whose addresses say all, so that what a file system of the user's reaches is found again by them."""
WEB = ("http", "https")
_MAGIC = frozenset("*?[")
_CHUNK = 1 << 20
_AT_ONCE = 1.0  # s
_LONGEST = 300  # characters of what a store says


class FarFiles:
    """Asks for files at addresses.

    Examples
    --------
    >>> import fsspec
    >>> far = FarFiles()
    >>> far.digest("memory://doc-far/x") is None
    True
    >>> _ = fsspec.filesystem("memory").pipe_file("/doc-far/x", b"1")
    >>> far.digest("memory://doc-far/x")
    'df3ce784d856334d65cd25028f98f158'
    """

    def __init__(self, patience: float | None = None) -> None:
        self._patience = patience
        self._askers: dict[str, Asker] = {}
        self._made: dict[str, tuple[int, Any]] = {}
        self._lacks: dict[str, str] = {}

    @property
    def requests(self) -> int:
        """How often something was asked."""
        return sum(asker.requests for asker in self._askers.values())

    def digest(self, address: str) -> str | None:
        """Of a file, of all below a folder, of all that a pattern means; None if there is nothing."""
        return self._ask(self._digest, _place_of(address))

    def digests(self, addresses: Iterable[str]) -> list[str | None]:
        """Of several, asked for side by side."""
        return self._side_by_side(self.digest, addresses)

    def versions(self, addresses: Iterable[str]) -> list[str | None]:
        """Likewise."""
        return self._side_by_side(self.version, addresses)

    @staticmethod
    def _side_by_side(ask: Callable[[str], str | None], addresses: Iterable[str]) -> list[str | None]:
        found = at_once(ask, addresses)
        for each in found:
            if isinstance(each, BaseException):
                raise each
        return found

    def version(self, address: str) -> str | None:
        """The same; "" of a page of the web that has no version, of which nothing is read then."""
        place = _place_of(address)
        return self._ask(_version_of_page if _is_of_web(place) else self._digest, place)

    def names(self, address: str) -> str | None:
        """The digest of the names in a folder, or of those that a pattern means; None if there is no such folder."""
        return self.digest_of(self.listing(address))

    @staticmethod
    def digest_of(listing: str | None) -> str | None:
        """Of names that are known already."""
        return listing if listing is None or is_unasked(listing) else _hashed(listing)

    def listing(self, address: str) -> str | None:
        """The names themselves, as addresses, with a null character between them."""
        return self._ask(self._names, _place_of(address))

    def look(self, address: str) -> str | None:
        """What is there: a folder, or a file, with its version or its size; None if there is nothing."""
        return self._ask(self._look, _place_of(address))

    def dep(self, how: str, address: str) -> Dep:
        """What it is now, as the dep of who does something with it (see `FAR_KINDS`)."""
        ask = {"read": self.digest, "look": self.look}.get(how, self.names)
        return Dep(FAR_KINDS[how], address, ask(address))

    @staticmethod
    def folder_of(address: str) -> str:
        """How the addresses begin that a folder has, or that a pattern may mean."""
        start = address[: min((at for at in map(address.find, _MAGIC) if at >= 0), default=len(address))]
        return start.rpartition("/")[0] + "/" if len(start) < len(address) else start.rstrip("/") + "/"

    def lacks(self, text: str) -> str:
        """The package without which nothing can be asked there; empty if nothing is missing, or it is no address."""
        scheme = scheme_of(text)
        if scheme not in self._lacks:
            self._lacks[scheme] = _lacks(scheme) if scheme in _PACKAGES else ""
        return self._lacks[scheme]

    def counts(self, text: str) -> bool:
        """Whether a text that is an argument means a file elsewhere, of which can be asked."""
        return is_address(text) and scheme_of(text) in _PACKAGES and not self.lacks(text)

    def learn(self, address: str, fs: Any) -> None:
        """From now on it, and what lies beside it, is asked for as a file system of the user's is that reaches it."""
        home = _home_of(_place_of(address))
        pid, known = self._made.get(home, (0, None))
        if _is_of_web(home) or (pid == os.getpid() and _options_of(known) == _options_of(fs)):
            return
        made = _like(fs)
        if made is not None:
            self._made[home] = os.getpid(), made
            self._askers.pop(home, None)  # that another one gave no answer says nothing of it

    # -- how

    def _ask(self, do: Callable[[str], str | None], place: str) -> str | None:
        try:
            found: str | None = self._asker(place).ask(_unless_refused, do, place)
        except FileNotFoundError:
            return None
        except RemoteError as error:
            return f"{UNASKED}{error}"
        return found

    def _asker(self, place: str) -> Asker:
        home = _home_of(place)
        if home not in self._askers:
            self._askers[home] = Asker(home, self._patience)
        return self._askers[home]

    def _digest(self, place: str) -> str | None:
        if _is_of_web(place):
            from cachepy.store.web_pages import content

            return _version_of_page(place) or content(place)
        fs = self._fs(place)
        path = fs._strip_protocol(place)
        try:
            info = fs.info(path)
        except FileNotFoundError:
            if _MAGIC.isdisjoint(place):
                raise
            return _of_many(fs, fs.glob(path, detail=True), "") or None
        if info.get("type") == "directory":
            return "dir:" + _of_many(fs, fs.find(path, detail=True), str(path))
        return _of_one(fs, str(path), info)

    def _look(self, place: str) -> str | None:
        if _is_of_web(place):
            return _version_of_page(place) or "file"
        fs = self._fs(place)
        info = fs.info(fs._strip_protocol(place))
        if info.get("type") == "directory":
            return "dir"
        return f"file:{version_in(info) or info.get('size')}"

    def _names(self, place: str) -> str | None:
        fs = self._fs(place)
        path = fs._strip_protocol(place)
        is_pattern = not _MAGIC.isdisjoint(place)
        found = fs.glob(path) if is_pattern else fs.ls(path, detail=False)
        scheme = place.partition("://")[0]
        return "\0".join(sorted(f"{scheme}://{str(each).strip('/')}" for each in found))

    def _fs(self, place: str) -> Any:
        """The file system of an address, made anew in a forked child."""
        home = _home_of(place)
        if self._made.get(home, (0, None))[0] != os.getpid():
            from fsspec.core import url_to_fs

            self._made[home] = os.getpid(), url_to_fs(place, **FRESH)[0]
        return self._made[home][1]


def scheme_of(address: str) -> str:
    """The protocol of an address, of the last one of a chain."""
    return _place_of(address).partition("://")[0].lower()


def _place_of(address: str) -> str:
    """Where the file itself is: ``simplecache::s3://a/b`` only says how it is reached."""
    return address.rpartition("::")[2] if "::" in address.partition("://")[0] else address


def _home_of(place: str) -> str:
    """The store that an address is in: the scheme and the bucket, or the host."""
    scheme, _, rest = place.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


def _is_of_web(place: str) -> bool:
    return place.partition("://")[0].lower() in WEB


def _version_of_page(place: str) -> str:
    """Empty if it has none."""
    from cachepy.store.web_pages import version

    told = version(place)
    return "" if told is None else _hashed(told)


def _unless_refused(do: Callable[[str], str | None], place: str) -> str | None:
    """What a request gives; what fails at once fails for this address, and says nothing of others beside it."""
    began = time.monotonic()
    try:
        return do(place)
    except FileNotFoundError:
        raise
    except Exception as error:
        if time.monotonic() - began > _AT_ONCE:
            raise
        return f"{UNASKED}{type(error).__name__}: {error}"[:_LONGEST]


def _lacks(scheme: str) -> str:
    if scheme in WEB:
        return ""
    try:
        from fsspec import get_filesystem_class

        get_filesystem_class(scheme)
    except (ImportError, ValueError):
        return _PACKAGES.get(scheme) or "fsspec"
    return ""


def _options_of(fs: Any) -> dict[str, Any]:
    """What it was made with, but for how it is used."""
    return {k: v for k, v in fs.storage_options.items() if k not in {*FRESH, "asynchronous", "loop"}}


def _like(fs: Any) -> Any:
    """A file system as another one, that remembers nothing and is used by one thread after the other."""
    try:
        return type(fs)(*fs.storage_args, **_options_of(fs), **FRESH)
    except Exception:  # it is of a library that takes no such options
        return None


def _of_one(fs: Any, path: str, info: dict[str, Any]) -> str:
    told = version_in(info)
    return _content(fs, path) if told is None else _hashed(told)


def version_in(info: dict[str, Any]) -> str | None:
    """What a description of a file says of its version, with the name of the field; None if it says nothing."""
    for field in _VERSIONS:
        value = info.get(field)
        if value not in (None, "", "null"):
            return f"{field} {value}"
    return None


def _hashed(told: str) -> str:
    return xxh3_128_hexdigest(told.encode("utf-8", "surrogatepass"))


def _of_many(fs: Any, found: dict[str, Any], base: str) -> str:
    """The digest of the names and contents of several; empty if there are none."""
    rows = [
        f"{path.removeprefix(base)}\0{_of_one(fs, path, info)}"
        for path, info in sorted(found.items())
        if info.get("type") != "directory"
    ]
    return _hashed("\0".join(rows)) if rows else ""


def _content(fs: Any, path: str) -> str:
    hasher = xxh3_128()
    with fs.open(path, "rb") as file:
        while data := file.read(_CHUNK):
            hasher.update(data)
    return hasher.hexdigest()
