"""What code digests are made of, kept in cache directories: so a reason can name what changed, and where."""

from __future__ import annotations

from cachepy.code.edit_times import reads_in
from cachepy.code.pieces import names_of
from cachepy.store.layout import code_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol

    from cachepy.code.edit_times import Edits
    from cachepy.code.fingerprint import CodeFingerprint
    from cachepy.code.pieces import Piece
    from cachepy.code.recorded_sources import Written
    from cachepy.code.source import Sources
    from cachepy.store.entries import Store
    from cachepy.store.files import Files
    from cachepy.store.stores import Stores

    class Session(Protocol):
        """What is asked of a session."""

        stores: Stores

        @property
        def is_quiet(self) -> bool: ...

        @property
        def files(self) -> Files: ...

        @property
        def sources(self) -> Sources: ...

        @property
        def written(self) -> Written: ...


_CODES = 10_000  # pieces of code of which something is remembered
_LOOKED_AT = ("00", "40", "80", "c0")  # when one of 64 descriptions of code is kept, by its name, unneeded ones go


class StoredCode:
    """Keeps the pieces of code beside the calls that ran it."""

    def __init__(self, session: Session, edits: Edits) -> None:
        self._session = session
        self._edits = edits
        self._kept: set[tuple[str, str]] = set()
        self._held: set[str] = set()

    def forget(self) -> None:
        """What was kept may be gone: it is written again when a call needs it again."""
        self._kept.clear()

    def keep(self, store: Store, digest: str, pieces: tuple[Piece, ...]) -> None:
        """Keep what a code digest is made of."""
        if self._session.is_quiet:
            return
        name = code_name(digest, names_of(pieces))
        if (store.root, name) not in self._kept:
            if len(self._kept) >= _CODES:  # of functions that are defined anew again and again
                self._kept.clear()
            self._kept.add((store.root, name))
            if not self._has(store, name, self._edits.newest(pieces)):  # to read the source takes time
                self._put(store, name, pieces)

    def renew(self, reaches: Iterable[CodeFingerprint]) -> None:
        """Code holds: what is kept of its source files tells so again.

        One of them was edited without effect, or the project was copied, or less was known when it was kept.
        """
        for reach in reaches:
            name = code_name(reach.digest, names_of(reach.pieces))
            if name in self._held or self._session.is_quiet:
                continue
            if len(self._held) >= _CODES:
                self._held.clear()
            self._held.add(name)
            newest = self._edits.newest(reach.pieces)
            for store in self._session.stores if newest else ():
                if not self._has(store, name, newest) and store.codes(reach.digest):
                    self._put(store, name, reach.pieces)

    def _has(self, store: Store, name: str, newest: int) -> bool:
        """Whether the pieces of a code digest are kept, their files and what these read at import as it is now."""
        if store.code_time(name) < max(newest, 1):
            return False
        data = store.get_code(name) or b""
        return self._edits.tell_of_now(reads_in(data), self._session.files.digest) and (
            not store.is_copy or _is_of_here(store, data)
        )

    def _put(self, store: Store, name: str, pieces: tuple[Piece, ...]) -> None:
        from cachepy.code.source import code_record, is_of_other

        if is_of_other(store.get_code(name) or b""):
            return
        record = code_record(pieces, self._session.sources, self._session.written, store.root)
        store.put_code(name, record, anew=True, is_whole=self._edits.newest(pieces) > 0)
        if name[:2] in _LOOKED_AT:
            from cachepy.graph.compact import tidy_code

            tidy_code(store)


def _is_of_here(store: Store, data: bytes) -> bool:
    """Whether a record of a copied cache was made where it is now."""
    from cachepy.code.source import loaded_files

    return loaded_files(data).get("root") == store.root
