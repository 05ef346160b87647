"""`cache_tree_accept`: a person says that a change does not matter; the stored results stay, under a trace of today.

The functions have to be there for that, for only live code has a digest: their modules are imported, without running
what is cached.  Nothing else runs.
"""

from __future__ import annotations

import os
import sys

from cachepy.calls.acceptance import Acceptance, Accepted, check_writes, is_accepted, take_back
from cachepy.calls.import_refusal import import_refusing, refuse
from cachepy.calls.state import State, current_session
from cachepy.code.fingerprint import resolve
from cachepy.errors import RefusedCallError, UsageError, UsageValueError
from cachepy.staleness.asked_world import placed
from cachepy.staleness.folders import code_in, folders_of
from cachepy.staleness.plan import roots_of
from cachepy.staleness.survey import Survey, survey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cachepy.calls.renames import Renames
    from cachepy.calls.renaming import Renaming
    from cachepy.core.reasons import Reason
    from cachepy.staleness.folders import Code


class Accepting:
    """What may be accepted in a graph: `plan` has it, `store` does it.

    asked: the calls that are meant, with what they need; None: all.
    """

    def __init__(
        self, session: State, seen: Survey, asked: Iterable[str] | None = None, *, files: bool = False,
        package: str = "", renames: Renames | None = None,
    ) -> None:  # fmt: skip
        self.session = session
        self.failed: dict[str, str] = {}  # module -> why it could not be imported
        self.renames = renames
        if renames is not None:
            self.plan: Acceptance = self._renaming(seen, asked, renames, files=files)
            return
        wanted = [call for call in (seen.found if asked is None else asked) if call in seen.found]
        if self._load(seen, wanted):
            seen = Survey(session, history=bool(asked))
        self.plan = Acceptance(session, seen.world, placed=placed, files=files, package=package)
        for call in wanted:
            self._add(seen, call)

    def _renaming(self, seen: Survey, asked: Iterable[str] | None, renames: Renames, *, files: bool) -> Renaming:
        """What may be accepted of calls that have another name now."""
        from cachepy.calls.renaming import Renaming

        events = {call: event for call, event in seen.events.items() if call not in seen.history}
        named = [c for c, event in events.items() if any(renames.now(d.name) != d.name for d in event.trace.deps)]
        if self._load(seen, [call for call in {**seen.found, **dict.fromkeys(named)} if call in events], renames):
            seen = Survey(self.session, history=bool(asked))
        plan = Renaming(renames, self.session, seen.world, placed=placed, files=files)
        plan.find(events, events if asked is None else [call for call in asked if call in events])
        unmet = renames.unmet()
        if unmet:
            raise UsageValueError(f"no call of {unmet[0]} is recorded")
        return plan

    def _add(self, seen: Survey, call: str) -> None:
        found = seen.found.get(call)
        if found is None:  # now that its code is here
            return
        if found.state != "stale":
            self.plan.left[call] = "; ".join(map(str, found.reasons[:2]))
        elif all(reason.link == "input" for reason in found.reasons):  # it is as its inputs are
            return
        else:
            self.plan.add(call)

    def _load(self, seen: Survey, wanted: list[str], renames: Renames | None = None) -> bool:
        """Import the modules of the code that these calls name, if they are not here; whether any was."""
        rows = self.session.graph.rows()
        code = {m: each for m, each in code_in(rows[call] for call in wanted).items() if resolve(m, "*") is None}
        places = folders_of(self.session, code)
        if renames is not None:
            places = _now(places, code, renames)
        before, has_new = sys.path[:], False
        try:
            for module, folders in places.items():
                sys.path[:0] = [folder for folder in folders if folder not in sys.path]
                try:
                    import_refusing(self.session, module)
                    has_new = True
                except (Exception, SystemExit, RefusedCallError) as error:
                    if renames is None or not renames.is_gone(module, error):
                        self.failed[module] = f"{type(error).__name__}: {error}"
        finally:
            sys.path[:] = before
        return has_new

    def store(self) -> Accepted:
        """Store what was planned."""
        return self.plan.store()


def cache_tree_accept(
    root: str | Iterable[str] | None = None,
    *,
    files: bool = False,
    package: str | None = None,
    undo: bool = False,
    dry_run: bool = False,
    history: bool = False,
    renamed: Mapping[str, str] | None = None,
    parameter: str | Iterable[str] | None = None,
) -> Accepted:
    """Say that what changed does not matter: stored results are fresh again, and nothing runs.

    Each stale call gets a second record with the code, versions and settings of today beside its stored result, marked
    with who accepted it and when. A further change makes it stale as ever; when the change is taken back, it is a hit
    too. Look at `cache_tree_stale` or ``dry_run=True`` first. The modules of the functions are imported.

    What only a run can tell is not known before the next one: files that the new code opens besides, for example.

    Parameters
    ----------
    root : str or iterable of str, optional
        Ids of calls or names of functions: these and what they depend on. By default all stale calls.
    files : bool, default False
        Also accept results whose files changed.
    package : str, optional
        Only accept another version of this package: calls that are stale by nothing else. ``"python"`` stands for the
        version of Python: the source of all code has to be as it was.
    undo : bool, default False
        Take back what was accepted, of these calls and what they depend on: they are stale again.
    dry_run : bool, default False
        Only tell what would be done.
    history : bool, default False
        Also the calls that their programs no longer make.
    renamed : mapping of str to str, optional
        Functions, classes and modules that have another name now, as ``{"old:f": "new:f", "before": "after"}``: their
        results are stored once more as those of today's calls, and callers go by these. Only such calls are looked at.
        What is stored under the old name stays until it is pruned.
    parameter : str or iterable of str, optional
        Likewise, parameters that have another name now, ``"f.x=f.y"``, and such as are new, ``"f.more"``, if their
        default means what was done before.

    Returns
    -------
    Accepted
        What was accepted, with what had changed, and what was not, with why.

    Raises
    ------
    UsageError
        If the program writes nothing, by ``CACHEPY=readonly`` for example.
    UsageValueError
        If a root is neither an id nor the name of a function in the graph, or nothing has a name that is said to be
        another one now.

    See Also
    --------
    cache_tree_stale : What is stale, and why.
    cache_tree_refresh : Run it instead.

    Examples
    --------
    >>> from cachepy import cache_file, cache_tree_accept
    >>> RATE = 100
    >>> @cache_file("cache", depends_on_vars=["RATE"])
    ... def price(net):
    ...     return net * RATE
    >>> price(2)
    200
    >>> RATE = 100.0
    >>> print(cache_tree_accept("price"))
    1 accepted
    >>> price(2)
    200
    """
    session = current_session()
    refuse(session, "cache_tree_accept")
    check_writes(session)
    if package is not None and (not isinstance(package, str) or not package):
        raise UsageError(f"package must be the name of a package, not {package!r}")
    renames = renames_of(renamed, parameter, undo=undo, package=package)
    seen = survey(session, history=history or root is not None)
    asked = None if root is None else needed(session, roots_of(seen, root, history=history))
    if undo:
        calls = seen.events.keys() if asked is None else asked
        return taken_back(session, accepted_in(session, calls), dry_run=dry_run)
    accepting = Accepting(session, seen, asked, files=files, package=package or "", renames=renames)
    return accepting.plan.planned() if dry_run else accepting.store()


def renames_of(
    renamed: Mapping[str, str] | None, parameter: str | Iterable[str] | None, *, undo: bool, package: str | None
) -> Renames | None:
    """What is said to have another name now, if anything is; a usage error for what cannot be meant."""
    if renamed is None and parameter is None:
        return None
    if undo or package:
        raise UsageError("renamed and parameter go with neither undo nor package")
    from cachepy.calls.renames import Renames

    return Renames(renamed or {}, [parameter] if isinstance(parameter, str) else parameter or ())


def _now(places: dict[str, tuple[str, ...]], code: Code, renames: Renames) -> dict[str, tuple[str, ...]]:
    """Where modules were found, by what they are called now; those of before too, should they still be there."""
    found: dict[str, tuple[str, ...]] = {}
    for module, folders in places.items():
        names = {renames.now(identity).partition(":")[0] for identity in code[module]}
        for each in sorted({module, *names}):
            found[each] = (*found.get(each, ()), *folders, *(() if each == module else [os.getcwd()]))
    return found


def needed(session: State, calls: Iterable[str]) -> list[str]:
    """These calls and all that they depend on: calls below, and those whose results they take."""
    graph, todo, found = session.graph, list(calls), dict[str, None]()
    while todo:
        call = todo.pop()
        node = None if call in found else graph.node(call)
        if node is not None:
            found[call] = None
            todo += [*node["children"], *node["inputs"].values()]
    return list(found)


def accepted_in(session: State, asked: Iterable[str]) -> list[str]:
    """The calls that somebody accepted, of those that are asked for."""
    return [call for call in asked if any(map(is_accepted, session.stores.events(call)))]


def taken_back(session: State, calls: Iterable[str], *, dry_run: bool) -> Accepted:
    """Take back what was accepted of these calls."""
    done: dict[str, tuple[Reason, ...]] = {}
    left: dict[str, str] = {}
    for call in calls:
        why = "" if dry_run else take_back(session, call)
        if why:
            left[call] = why
        elif why is not None:
            done[call] = ()
    return Accepted(done, left, {})
