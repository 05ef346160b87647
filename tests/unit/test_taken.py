"""What a task takes from others: which part of its arguments that is, and what tasks in between made of it."""

from __future__ import annotations

from cachepy.calls.taken import Handed
from cachepy.core.model import Event, Trace
from cachepy.graph.graph import Graph
from cachepy.graph.handed import BETWEEN, HANDED, handed_in, passed_on, taken_in
from cachepy.graph.numbers import NUMBERS_OF
from cachepy.store.codec import pack, unpack


def noted(handed: Handed, *, call: str = "g:1", args: dict[str, str] | None = None, **arguments: object) -> dict[str, str]:
    """The digests of arguments of a call; the digest of a value is its `repr`."""
    args = {} if args is None else args
    handed.note(call, arguments.items(), args, repr)
    return args


def parts(args: dict[str, str]) -> dict[str, str]:
    return {name: call for name, call, _ in handed_in(args)}


def one(call: str, result: str) -> tuple[bool, list[tuple[str, str]]]:
    return False, [(call, result)]


def test_equal_results_go_by_their_order():
    handed = Handed([one("f:1", "3"), one("f:2", "3"), one("f:3", "4")])
    assert parts(noted(handed, x=[3, 4, 3])) == {"x[0]": "f:1", "x[1]": "f:3", "x[2]": "f:2"}


def test_a_whole_argument_and_a_dict():
    handed = Handed([one("f:1", "3"), one("f:2", "None")])
    assert parts(noted(handed, x=3, y={"a": None})) == {"x": "f:1", "y['a']": "f:2"}


def test_what_the_graph_finds_by_itself_is_not_noted():
    assert noted(Handed([one("f:1", "D")]), args={"x": "D"}, x="a long text") == {"x": "D"}


def test_numbers_that_all_have_their_edges_need_no_others():
    handed = Handed([one("f:1", "30"), one("f:2", "40")])
    assert NUMBERS_OF not in "".join(noted(handed, args={"x" + NUMBERS_OF: "..."}, x=[30, 40]))
    assert "x" + NUMBERS_OF in noted(handed, args={"x" + NUMBERS_OF: "..."}, x=[30, 40, 50])


def test_what_is_in_no_argument_was_passed_on():
    handed = Handed([one("f:2", "3"), (False, [("f:1", "4"), ("f:3", "5")])])
    assert parts(noted(handed, x=4)) == {"x": "f:1", f"{BETWEEN}[0]": "f:2", f"{BETWEEN}[1]": "f:3"}


def test_a_task_of_dask_hands_on_each_result_as_it_is():
    handed = Handed([(True, [("f:1", "4"), ("f:3", "5")])])
    assert parts(noted(handed, x=4)) == {"x": "f:1"}
    assert parts(noted(handed, x=6)) == {f"{BETWEEN}[0]": "f:1", f"{BETWEEN}[1]": "f:3"}


def test_within_a_task_what_comes_first_takes_nothing_from_what_comes_later():
    handed = Handed([])
    handed.add("f:1", "3")
    handed.add("g:1", "4")
    assert parts(noted(handed, call="f:2", x=4)) == {}
    assert parts(noted(handed, call="g:2", x=3)) == {"x": "f:1"}
    handed.add("g:3", "3")
    assert parts(noted(handed, call="h:1", x=3)) == {"x": "g:3"}, "the last that gave it"


def test_edges_because_of_tasks_in_between_have_a_bound():
    handed = Handed([(False, [(f"f:{n}", "4") for n in range(1000)])])
    many = [len(noted(handed, call=f"g:{n}", x=6)) for n in range(11)]
    assert many == [1] * 10 + [0]


def test_a_hit_goes_by_what_is_behind_it_now():
    before = noted(Handed([one("f:1", "3"), one("f:2", "7")]), x=3)
    now = Handed([one("f:1", "3"), one("f:2", "8")]).renewed(before)
    assert now is not None
    assert (passed_on(before), passed_on(now)) == ({"f:2": "7"}, {"f:2": "8"})
    assert parts(now)["x"] == "f:1"
    assert Handed([one("f:1", "3"), one("f:2", "8")]).renewed(now) is None
    assert Handed([one("f:1", "9")]).renewed({"x" + HANDED: before["x" + HANDED]}) is None, "nothing is in between"


# -- in the graph


def event(name: str, result: str, args: dict[str, str] | None = None, created: float = 1.0) -> Event:
    key = name.encode().hex().rjust(32, "0")
    return Event(
        f"{name}:{key}", name, "m", name, key, name.rjust(32, "0"), Trace((), (), result), args or {}, {}, "/cache",
        f"entries/{key[:2]}/{name}-{key}.entry", "/here", created, 0.1, created, "host",
    )  # fmt: skip


def graph_of(*events: Event) -> Graph:
    graph = Graph()
    for each in events:
        graph.apply(each)
    return graph


def test_the_edge_holds_while_the_call_gives_that():
    giver = event("f", "3", created=2.0)
    taker = event("g", "9", noted(Handed([one(giver.id, "3")]), x=3))
    assert graph_of(taker, giver).node(taker.id)["inputs"] == {"x": giver.id}
    assert graph_of(taker, giver).readers_of(giver.id) == [taker.id]
    again = giver.replace(trace=Trace((), (), "4"), run="other", created=3.0, seen=3.0)
    graph = graph_of(giver, taker, again)
    assert graph.node(taker.id)["inputs"] == {}
    assert graph.history({}, (), set) == {taker.id}, "no call gives what it took"


def test_what_was_passed_on_by_others_keeps_its_edge():
    giver = event("f", "3")
    taker = event("g", "9", noted(Handed([one(giver.id, "3")]), x=30))
    again = giver.replace(trace=Trace((), (), "4"), run="other", created=3.0, seen=3.0)
    graph = graph_of(giver, taker, again)
    assert graph.node(taker.id)["inputs"] == {f"{BETWEEN}[0]": giver.id}
    assert graph.history({}, (), set) == set()


def test_one_that_is_not_there_has_no_edge():
    taker = event("g", "9", noted(Handed([one("f:1", "3")]), x=3))
    assert graph_of(taker).node(taker.id)["inputs"] == {}


def test_calls_that_took_from_each_other_in_turn_end():
    """An iteration that comes back to where it was."""
    first, second = event("f", "3"), event("g", "4")
    first = first.replace(args=noted(Handed([one(second.id, "4")]), x=4))
    second = second.replace(args=noted(Handed([one(first.id, "3")]), x=3))
    graph = graph_of(first, second)
    assert graph.summary()["flows"] == 2
    assert graph.history({}, (), set) == set()


def test_it_is_read_back_as_it_was():
    taker = event("g", "9", noted(Handed([one("f:1", "3"), one("f:2", "5")]), x=3))
    assert unpack(pack(taker)).args == taker.args
    assert taken_in(taker.args) >= {"3"}
    assert "5" not in taken_in(taker.args), "a call between made another value of it"
