"""Results of functions that have other names now: each is stored once more, as the call that it is today.

What was stored under the old name stays there until it is pruned, so that nothing is lost wherever this ends.  Callers
that name such calls get a trace that names them as they are now.
"""

from __future__ import annotations

import os
import time

from cachepy.calls.acceptance import Acceptance, Accepted, Step, changed
from cachepy.calls.renamed_calls import MovedCall, NotMovedError, trace_now
from cachepy.calls.todays_trace import DATA, function_of
from cachepy.code.changes import reasons_of
from cachepy.code.fingerprint import cached_target, resolve
from cachepy.core.kinds import ANCHORS, CODES, KINDS, NAMES_OF_CODE, RANS
from cachepy.core.model import ACCEPTED, Dep, Event, Trace
from cachepy.core.reasons import Reason
from cachepy.errors import EntryError
from cachepy.graph.program_files import Programs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from cachepy.calls.renames import Renames
    from cachepy.code.pieces import Piece
    from cachepy.store.entries import Stored


class Renaming(Acceptance):
    """A plan as `Acceptance`, of calls that have another name or other parameters now.

    Give it all calls that may be meant by `find`; parameters as of `Acceptance`.
    """

    world: Any

    def __init__(self, renames: Renames, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.renames = renames
        self.moved: dict[str, str] = {}  # call of before -> that of now
        self._calls: dict[str, MovedCall] = {}  # by the id of before
        self._sources: dict[str, str] = {}  # call of now -> that of before
        self._with_parameters: dict[tuple[str, str, str], bool] = {}
        self._originals: dict[str, Event] = {}  # run -> as it is stored, of those that are not as they were

    def find(self, events: Mapping[str, Event], asked: Iterable[str]) -> None:
        """Plan for all calls that are asked for and have another name now, and for those that call them."""
        self._note_parameters(events)
        renamed = {call for call, event in events.items() if self._is_renamed(event)}
        asked = [call for call in asked if call in renamed]
        for call in asked:
            self._move(call, events[call])
        for call in asked:
            if call in self.moved:
                self._add_moved(call)
        for call, event in events.items():
            if call not in renamed and trace_now(event.trace, self.renames, self.moved) != event.trace:
                self._add_caller(call)

    def _note_parameters(self, events: Mapping[str, Event]) -> None:
        """The functions whose parameters are renamed, by all their names."""
        for event in events.values():
            of = event.module, event.qualname, event.fname
            if of not in self._with_parameters:
                now = self.renames.now(f"{event.module}:{event.qualname}")
                qualname = now.partition(":")[2]
                names = {f"{event.module}:{event.qualname}", event.qualname, event.fname}
                names |= {now, qualname, qualname.rpartition(".")[2]}
                self._with_parameters[of] = any(self.renames.parameters(names))

    def _is_renamed(self, event: Event) -> bool:
        """Whether its function, or what its arguments hold, has another name, or its function other parameters."""
        if self._with_parameters[event.module, event.qualname, event.fname]:
            return True
        return any(dep.kind in CODES - RANS and self.renames.now(dep.name) != dep.name for dep in event.trace.deps)

    def _move(self, call: str, event: Event) -> None:
        """Find out which call it is now; why that cannot be told is kept."""
        old = f"{event.module}:{event.qualname}"
        now = self.renames.now(old)
        module, _, qualname = now.partition(":")
        function = function_of(self.world, event.replace(module=module, qualname=qualname))
        target = cached_target(resolve(event.module, event.qualname)) if old != now and "<" not in old else None
        if "<" in now:
            self.left[call] = f"{event.fname} exists only while its program runs"
        elif function is None:
            self.left[call] = f"{now} is no cached function in this process"
        elif target is not None and target.identity == old:
            self.left[call] = f"{old} is still there, beside {now}"
        elif function.store(self.session).root != event.root:
            self.left[call] = f"{now} is cached in another directory"
        else:
            try:
                found = self._calls[call] = MovedCall(self.session, self.renames, event, function)
            except NotMovedError as error:
                self.left[call] = str(error)
                return
            self.moved[call] = found.id
            self._sources[found.id] = call

    def _add_moved(self, call: str) -> None:
        now = self.moved[call]
        if now == call:
            self._add_caller(call)
        elif not super()._runs_of(now):  # else it ran since, or was accepted before
            self._runs.pop(now, None)
            runs = self._runs_of(now)
            if runs:
                self._walk((now, self._best(runs).trace.effect))
            else:
                self.left[call] = self._errors.get(call, "no result of it is stored")

    def _add_caller(self, call: str) -> None:
        runs = self._runs_of(call)
        stored = [self._originals.get(event.run, event) for event in runs]
        if runs and not any(self.verifier.holds(self.placed(event).trace) for event in stored):
            self._walk((call, self._best(runs).trace.effect))

    def _runs_of(self, call: str) -> list[Event]:
        """The stored runs, with the names of today."""
        if call not in self._runs:
            source = self._sources.get(call, call)
            runs = super()._runs_of(source)
            self._runs[source] = runs
            self._runs[call] = [self._as_now(event, source) for event in runs]
        return self._runs[call]

    def _as_now(self, event: Event, source: str) -> Event:
        found = self._calls.get(source)
        if found is not None:
            now = found.as_now(event, self.moved)
        else:
            now = event.replace(trace=trace_now(event.trace, self.renames, self.moved))
        if now != event:
            self._originals[event.run] = event
        return now

    # -- what of a run is not as it was

    def _rank(self, event: Event, *, is_last: bool) -> tuple[int, ...]:
        """What differs in names only, else what held last: how much else differs, new names do not tell."""
        own = self._not_as_it_was(event, self.placed(event))
        data = sum(dep.kind in DATA for dep in own)
        return data, sum(dep.kind not in CODES for dep in own), bool(self._reasons(own)), not is_last

    def _not_as_it_was(self, run: Event, here: Event) -> list[Dep]:
        """Code that has another name is looked at anew, also where its digest is the same."""
        broken = super()._not_as_it_was(run, here)
        if run.run not in self._originals:
            return broken
        named = {d for d in here.trace.deps if d.kind in NAMES_OF_CODE and self.renames.before(d.name) != d.name}
        return [d for d in here.trace.deps if d in named or d in broken]

    def _has_to_be_stored(self, run: Event) -> bool:
        return run.run in self._originals

    def _why_not(self, here: Event, own: list[Dep]) -> str:
        for dep in own if here.run in self._originals else ():
            if dep.kind in RANS and KINDS[dep.kind].now(dep.name, self.world) is None:
                return f"code of {dep.name}, which ran, is not found there now"
        return super()._why_not(here, own)

    def _reasons(self, own: list[Dep]) -> list[Reason]:
        """Of code, what differs besides names."""
        found: dict[Reason, None] = {}
        for dep in own:
            if dep.kind in CODES and self.world.found(dep.name):
                found.update(dict.fromkeys(self._differences(dep)))
            elif dep.kind not in ANCHORS:
                found.update(dict.fromkeys(KINDS[dep.kind].why(dep, self.world)))
        return list(found)

    def _differences(self, dep: Dep) -> list[Reason]:
        rows, _ = self.world.record_of(dep)
        if not rows and self.renames.before(dep.name) == dep.name:
            return KINDS[dep.kind].why(dep, self.world)
        reach = self.session.reader.reach(self.world.found(dep.name)[0])
        if reach.digest == dep.digest:
            return []
        name, old = dep.name.partition("@")[0], [(self._piece(piece), source) for piece, source in rows]
        return reasons_of(name, old, reach.pieces, self.session.sources) if rows else [
            Reason("code", name, dep.digest, reach.digest)
        ]

    def _piece(self, piece: Piece) -> Piece:
        text = self.renames.in_text
        is_bound = piece.digest[:1] == "="
        return piece.replace(
            name=text(piece.name),
            digest=text(piece.digest) if is_bound else piece.digest,
            text=text(piece.text) if is_bound else piece.text,
        )

    def _known_below(self, run: Event) -> set[str]:
        return {self.renames.now(name) for name in super()._known_below(self._originals.get(run.run, run))}

    def _step(self, run: Event, here: Event, own: list[Dep]) -> Step:
        """The names come first among what changed."""
        step = super()._step(run, here, own)
        source = self._sources.get(run.id)
        if source is None:
            return step
        found, old = self._calls[source], f"{self._calls[source].event.module}:{self._calls[source].event.qualname}"
        now = found.function.target.identity
        names = [Reason("renamed", old, None, now)] if old != now else []
        names += [Reason("renamed", f"parameter {a} of {now}", None, b) for a, b in sorted(found.renamed.items())]
        names += [Reason("added", f"{each} of {now}", None, None) for each in sorted(found.added)]
        return step.replace(reasons=(*names, *step.reasons))

    # -- storing

    def _told(self, done: dict[str, tuple[Reason, ...]]) -> Accepted:
        renamed = {call: self._sources[call] for call in done if self._sources.get(call, call) != call}
        return Accepted(done, dict(self.left), renamed)

    def store(self) -> Accepted:
        """Store what was planned; then what has the old names is history."""
        done = super().store()
        pairs = {old: new for old, new in self.moved.items() if old != new and not {old, new} & done.left.keys()}
        pairs = {old: new for old, new in pairs.items() if self.session.stores.events(new)}
        for root in {self._calls[old].event.root for old in pairs}:
            Programs(self.session.store(root)).swap(pairs)
        return done

    def _mark(self, step: Step, who: str, when: str) -> Dep:
        source = self._sources.get(step.event.id, step.event.id)
        if source == step.event.id:
            return super()._mark(step, who, when)
        old = self._calls[source].event
        return Dep(ACCEPTED, who, f"{when} {source} {old.module}:{old.qualname}")

    def _store(self, step: Step, mark: Dep) -> str:
        source = self._sources.get(step.event.id, step.event.id)
        if source == step.event.id:
            return super()._store(step, mark)
        from cachepy.store.accepted_runs import add_run

        def put(store: Any, stored: Stored) -> Event | None:
            runs = [event.run for event in stored.events]
            if runs != [event.run for event in self._runs_of(step.event.id)] or store.look(step.event.id) is not None:
                raise EntryError("it ran meanwhile")
            index = runs.index(step.event.run)
            store.value(source, stored, index)  # what it is made of may have had the old names too
            self._keep_code(store, step)
            trace = Trace((*step.trace.deps, mark), step.trace.calls, step.trace.result)
            event = step.event.replace(run=os.urandom(16).hex(), trace=trace, seen=time.time())
            return add_run(store, event, stored, index, source, self._calls[source].how)

        return changed(self.session, step.event, put, source)
