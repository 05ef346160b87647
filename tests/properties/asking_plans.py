"""Random projects, and plans of what is edited between their runs: what `test_asking.py` draws."""

from __future__ import annotations

from typing import Any

import asking_program as ap
from budgets import STRESS
from hypothesis import strategies as st

small = st.integers(0, 2)


@st.composite
def calls(draw: st.DrawFn, callee: int, count: int) -> ap.Call:
    feeds = [None, *range(callee + 1, count)]
    return ap.Call(callee, draw(st.sampled_from(ap.MODES)), draw(small), draw(small), draw(st.sampled_from(feeds)))


@st.composite
def projects(draw: st.DrawFn) -> ap.Drawn:
    count = draw(st.integers(3, 8))
    modules = draw(st.integers(1, 3))
    places = sorted(draw(st.lists(st.integers(0, modules - 1), min_size=count, max_size=count)))
    funcs = []
    for i in range(count):
        below = draw(st.lists(st.integers(i + 1, count - 1), max_size=2)) if i + 1 < count else []
        funcs.append(
            ap.Func(
                index=i,
                module=places[i],
                shape=draw(st.sampled_from(ap.SHAPES)),
                kind=draw(st.sampled_from(ap.KINDS)),
                helper=draw(st.sampled_from(ap.HELPERS)),
                glob=draw(st.sampled_from(ap.GLOBALS)),
                path=draw(st.booleans()),
                value=draw(st.booleans()),
                default=draw(st.integers(0, 3)) == 0,
                reads=draw(st.sampled_from([None, None, 0, 1, 2])),
                env=draw(st.integers(0, 3)) == 0,
                calls=tuple(draw(calls(c, count)) for c in below),
            )
        )
    roots = draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=3))
    return ap.Drawn(
        layout=draw(st.sampled_from(ap.LAYOUTS)),
        guarded=draw(st.integers(0, 3)) > 0,
        has_main=draw(st.booleans()),
        funcs=tuple(funcs),
        roots=tuple(draw(calls(c, count)) for c in roots),
        pipe=draw(st.integers(0, 3)) == 0,
        modules=modules,
    )


def edits(project: ap.Drawn) -> st.SearchStrategy[tuple[Any, ...]]:
    """What a person does between two runs."""
    index = st.integers(0, len(project.funcs) - 1)
    module = st.integers(0, project.modules - 1)
    value = st.integers(1, 3)
    text = st.sampled_from(["1 2", "3 4", "9 9", "77 7 7", ""])
    data = st.integers(0, 2)
    of_code = [
        *(st.tuples(st.just(what), index, value) for what in ("const", "const", "helper", "helper", "glob", "glob")),
        *(st.tuples(st.just(what), index, value) for what in ("default", "comment", "version")),
        *(st.tuples(st.just(what), value) for what in ("tools", "unrelated", "rotate", "main_text", "main_n", "pipe")),
        *(st.tuples(st.just(what), index) for what in ("rename", "drop", "lose")),
        st.tuples(st.just("silent"), st.integers(0, len(project.roots) - 1)),
        *(st.tuples(st.just(what), module) for what in ("break", "delete")),
        st.tuples(st.just("code back"), st.integers(0, 3)),
    ]
    of_data = [
        st.tuples(st.just("write"), data, text),
        st.tuples(st.just("write"), data, text),
        *(st.tuples(st.just(what), data) for what in ("touch", "remove")),
        st.tuples(st.just("table"), value),
        st.tuples(st.just("env"), st.sampled_from(["PA_N", "PA_E"]), st.sampled_from([None, "4", "5"])),
        st.tuples(st.just("data back"), st.integers(0, 3)),
    ]
    of_cache = [
        *(st.tuples(st.just(what)) for what in ("graph gone", "graph cut")),
        *(st.tuples(st.just(what), st.integers(0, 30)) for what in ("entry gone", "entry owned")),
        *(st.tuples(st.just("place"), st.sampled_from(["copy", "copy and remove", "move"])) for _ in range(2)),
        st.tuples(st.just("out gone")),
    ]
    return st.one_of(*of_code, *of_code, *of_data, *of_data, *of_cache)


@st.composite
def plans(draw: st.DrawFn) -> dict[str, Any]:
    project = draw(projects())
    steps = []
    for _ in range(draw(st.integers(2, 8 if STRESS else 5))):
        changes = draw(st.lists(edits(project), min_size=1, max_size=2))
        then = draw(st.sampled_from(["run", "run", "run", "refresh", "nothing"]))
        looks = draw(st.sampled_from(["", "", "pictures"]))
        steps.append({"edits": changes, "then": then, "looks": looks})
    return {"project": project, "steps": steps}
