"""The cached functions that live in this process, and what their calls left to callers, for `unseen`."""

from __future__ import annotations

from _weakref import ref

from cachepy.calls.tally import Tally

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import CodeType
    from typing import Any

    from cachepy.code.fingerprint import Target

    Left = tuple[str, str, str | None]  # kind, name, digest of a dep

_LIVE = 128  # functions of one name that are remembered
_CODES = 10_000  # pieces of code of which something is remembered
MOST_MADE = 256  # calls of one function, or files that one piece of code named, that are remembered


class Functions:
    """The cached functions of this process, weakly: local ones cannot be found by their names."""

    def __init__(self) -> None:
        self._known: dict[str, list[Callable[[], Any]]] = {}
        self.has_ages = False  # whether results of any of them grow old, or are tested
        self.tallies: dict[str, Tally] = {}

    def __len__(self) -> int:
        return len(self._known)

    def add(self, call: Any) -> None:
        """Remember a cached function."""
        known = self._known.setdefault(call.target.identity, [])
        if len(known) >= _LIVE:  # copies that arrived by value again and again
            known[:] = [r for r in known if r() is not None][-_LIVE // 2 :]
        known.append(ref(call))
        self.has_ages = self.has_ages or call.options.max_age is not None or call.options.valid is not None

    def tally(self, identity: str, fname: str) -> Tally:
        """What became of the calls of a function, of all its copies: they go, and that stays."""
        return self.tallies.setdefault(identity, Tally(fname))

    def live_calls(self, identity: str) -> list[Any]:
        """Those of an identity that exist now, newest first."""
        calls = [r() for r in reversed(self._known.get(identity, []))]
        return [call for call in calls if call is not None]

    def live(self, identity: str) -> list[Target]:
        """Their targets."""
        return [call.target for call in self.live_calls(identity)]

    def all_calls(self) -> list[Any]:
        """All that exist now."""
        return [call for identity in list(self._known) for call in self.live_calls(identity)]


class Remembered:
    """What calls left to their callers, and which files code named: a memo may hand them on without a call."""

    def __init__(self) -> None:
        self.made: dict[str, dict[Left, str]] = {}  # function -> what its calls left, with its cache directory
        self.named: dict[CodeType, dict[tuple[str, str], str | None]] = {}  # code -> the files that it tracked
        self.overfull: set[str] = set()  # functions of which `made` has not all calls

    def note(self, called: str, deps: Iterable[Left], root: str = "") -> None:
        """Remember what a call of a function leaves to its caller."""
        row = self.made.get(called)
        if row is None:
            row = self.made[called] = {}
        for dep in deps:
            row[dep] = root
        while len(row) > MOST_MADE:
            self.overfull.add(called)
            row.pop(next(iter(row)), None)

    def note_file(self, code: CodeType, path: str, cwd: str, digest: str | None) -> None:
        """Remember a file that code named, in the working directory of then."""
        while code not in self.named and len(self.named) >= _CODES:
            self.named.pop(next(iter(self.named)), None)
        row = self.named.setdefault(code, {})
        if len(row) < MOST_MADE:
            row[path, cwd] = digest
