"""What a cache directory holds, and hence which bodies must, may and must not run.

The ledger knows every run that was stored, from what really ran.  The rule is that of the product, not of
its code: a call is a hit if a stored run of it had the same deps of its own and got the same effects from the
same calls as a run now would, *once what is stale below has run again*.  So such a call must not run, any other
must run, and each once.  Only where the engine may be careful (`View.is_clear`) either is right.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dag_program import Key, Model, Name


@dataclass(frozen=True)
class Stored:
    """One run that is on disk: its own deps, the effects of the calls below, its own effect."""

    own: frozenset[tuple[Name, Any]]
    calls: tuple[tuple[Key, str], ...]
    effect: str


class Ledger:
    """All stored runs of each call, newest first."""

    def __init__(self) -> None:
        self.runs: dict[Key, list[Stored]] = {}
        self.crowded: set[Key] = set()  # what may have been taken for the caller of a call in another thread
        self.tally: Counter[str] = Counter()  # how often each kind of prediction was made, to see what a test is worth

    def put(self, model: Model, ran: Iterable[Key]) -> None:
        """Note what was stored; a call that raised was not."""
        for key in ran:
            run = stored_now(model, key)
            if run is not None:
                old = [r for r in self.runs.get(key, []) if (r.own, r.calls) != (run.own, run.calls)]
                self.runs[key] = [run, *old]

    def note_threads(self, model: Model, roots: list[Key], ran: Iterable[Key]) -> None:
        """The roots were called side by side, in threads that have no caller.

        A body that ran meanwhile, and whose code reaches the function of a root, might have handed that call to
        the thread: so it counts for the body (see `bodies`), and its changes make the body run again.
        """
        if len(set(roots)) > 1:
            funcs = {root.func for root in roots}
            self.crowded |= {key for key in ran if model.program.reaches(key.func, funcs)}


def stored_now(model: Model, key: Key) -> Stored | None:
    """What a run now would leave on disk."""
    got = model.outcome(key)
    if got.error is not None:
        return None
    return Stored(frozenset(got.own.items()), tuple(got.below.items()), repr(got.value))


class View:
    """The ledger in one state of the world, before anything runs in it."""

    def __init__(self, ledger: Ledger, model: Model) -> None:
        self.ledger = ledger
        self.runs = {key: list(runs) for key, runs in ledger.runs.items()}
        self.model = model
        self._holds: dict[tuple[Key, str], bool] = {}
        self._crowded: dict[Key, bool] = {}
        self._changed: dict[tuple[Key, str], frozenset[Name]] = {}
        contents = {v for runs in self.runs.values() for r in runs for name, v in r.own if name == FOLDER}
        self._has_other_folders = bool(contents - {model.world(FOLDER)}) or len(contents) > 1

    def is_blurred(self, key: Key) -> bool:
        """Whether more may count for a call than has to.

        The engine may take an edited folder for what a call below left behind (see `outputs`), and a call without
        a caller for one of any call that is open; so it may in threads (see `Ledger.note_threads`).
        """
        program = self.model.program
        return (
            program.is_fuzzy or (self._has_other_folders and program.reaches_folder(key.func)) or self.is_crowded(key)
        )

    def is_crowded(self, key: Key) -> bool:
        """Whether a call, or one below it, may have been taken for the caller of another one."""
        known = self._crowded.get(key)
        if known is None:
            below = {call for run in self.runs.get(key, []) for call, _ in run.calls}
            known = self._crowded[key] = key in self.ledger.crowded or any(map(self.is_crowded, below))
        return known

    def own_broken(self, run: Stored) -> set[Name]:
        return {name for name, value in run.own if self.model.world(name) != value}

    def call_holds(self, key: Key, effect: str) -> bool:
        known = self._holds.get((key, effect))
        if known is None:
            runs = [r for r in self.runs.get(key, []) if r.effect == effect]
            known = self._holds[key, effect] = any(map(self.run_holds, runs))
        return known

    def run_holds(self, run: Stored) -> bool:
        return not self.own_broken(run) and all(self.call_holds(*call) for call in run.calls)

    def is_fresh(self, key: Key) -> bool:
        return any(map(self.run_holds, self.runs.get(key, [])))

    def is_known(self, key: Key) -> bool:
        """Whether a stored run stands for a run now, given what the calls below give now."""
        return stored_now(self.model, key) in self.runs.get(key, [])

    def is_clear(self, key: Key) -> bool:
        """Whether the calls below can be made again one by one without doubt: none raises, none is changed twice."""
        if self.is_blurred(key):
            return False
        todo = [r for r in self.runs[key] if not self.own_broken(r)]
        seen: set[tuple[Key, str]] = set()
        while todo:
            for call, effect in todo.pop().calls:
                if (call, effect) in seen or self.call_holds(call, effect):
                    continue
                seen.add((call, effect))
                if self.model.outcome(call).error is not None or len(self.changed(call, effect)) > 1:
                    return False
                run = self._run(call, effect)
                todo += [r for r in self.runs[call] if r == run or not self.own_broken(r)]
        return True

    def changed(self, key: Key, effect: str) -> frozenset[Name]:
        """The things that changed for the newest run with this effect and for the calls below it, at most.

        A value in a global may count as code or as a thing of its own: here always the latter.
        """
        known = self._changed.get((key, effect))
        if known is None:
            run = self._run(key, effect)
            found = {name if name[0] in DATA else ("code",) for name in self.own_broken(run)}
            for call in run.calls:
                if not self.call_holds(*call):
                    found |= self.changed(*call)
            known = self._changed[key, effect] = frozenset(found)
        return known

    def _run(self, key: Key, effect: str) -> Stored:
        return next(r for r in self.runs[key] if r.effect == effect)

    # -- what may run

    def asked(self, roots: Iterable[Key]) -> dict[Key, bool]:
        """The calls that are met when the roots are called, and whether each is for sure.

        Made by a body or by the engine on the way to it: both meet the same ones.
        """
        found = dict.fromkeys(roots, True)
        todo = list(found)
        while todo:
            key = todo.pop()
            if self.is_fresh(key) and not self.is_blurred(key):
                continue
            has_memo = self.model.program.has_memo
            for below in self.model.outcome(key).calls:
                # a child that raised before is no call of its caller, but those under it are
                sure = not (self.is_known(key) and self.model.outcome(below).error is not None)
                sure = sure and found[key] and not self.is_fresh(key) and not has_memo
                if below not in found or (sure and not found[below]):
                    found[below] = sure
                    todo.append(below)
        return found

    def judge(self, roots: list[Key], ran: Counter[Key], *, threads: bool) -> list[str]:
        """What is wrong with what ran; then the ledger takes it in."""
        asked = self.asked(roots)
        allowed = {*asked, *self.asked(self._replayed(ran, asked))}
        wrong = [f"{key} ran {ran[key]} times, nobody asked for it" for key in ran if key not in allowed]
        for key, sure in asked.items():
            kind, low, high = self._bounds(key, roots, asked, ran)
            low = low if sure else 0
            self.ledger.tally[kind] += 1
            if not low <= ran[key] <= high:
                wrong.append(f"{key} ran {ran[key]} times, right were {low} to {high}: {kind}")
        self.ledger.put(self.model, ran)
        if threads:
            self.ledger.note_threads(self.model, roots, ran)
        return wrong

    def _replayed(self, ran: Counter[Key], asked: dict[Key, bool]) -> list[Key]:
        """What ran though nobody asked for it, where that may be.

        A call that several bodies may have made counts for each of them.  To learn whether such a body need not run,
        the engine makes that call again if it is stored, though this body may never ask for it.
        """
        may = self.model.program.is_fuzzy or any(map(self.is_crowded, asked))
        return [key for key in ran if key not in asked and may and key in self.runs]

    def _bounds(self, key: Key, roots: list[Key], asked: dict[Key, bool], ran: Counter[Key]) -> tuple[str, int, int]:
        if self.is_fresh(key):
            return ("blurred", 0, 1) if self.is_blurred(key) else ("fresh", 0, 0)
        if self.model.outcome(key).error is not None:
            return self._raising(key, roots, asked, ran)
        if not self.is_known(key):
            return "must run", 1, 1
        return ("cut off", 0, 0) if self.is_clear(key) else ("doubtful", 0, 1)

    def _raising(self, key: Key, roots: list[Key], asked: dict[Key, bool], ran: Counter[Key]) -> tuple[str, int, int]:
        """Nothing is stored of it: it runs whenever it is called, and may have been tried before that."""
        demands = roots.count(key) + sum(ran[c] * self.model.outcome(c).calls.count(key) for c in asked)
        tries = sum(max(1, ran[c]) for c in asked if c in self.runs) if key in self.runs else 0
        return ("raises again" if tries else "raises"), demands, demands + tries


FOLDER = ("dir", 0)
DATA = frozenset({"file", "dir", "env", "helper", "global"})
