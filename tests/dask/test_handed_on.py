"""Flow edges from the dependencies of tasks: a number says nothing of where it is from, but Dask knows."""

from __future__ import annotations

import dask
import dask.bag as db
import pipeline_module as pm
import pytest

from cachepy import cache_tree_changed_files, cache_tree_nodes, cache_tree_stale
from dask_plugin import delayed, map, prune, submit, with_caller  # noqa: A004 - as users have it

pytestmark = pytest.mark.dask


def by_submit(client, data):
    return client.submit(pm.digits, [client.submit(pm.digit, path) for path in data.paths], data.tag).result()


def by_held_futures(client, data):
    futures = client.map(pm.digit, data.paths)
    client.gather(futures)
    return client.submit(with_caller(pm.digits), futures, data.tag).result()


def by_own_submit(client, data):
    return submit(client, pm.digits, map(client, pm.digit, data.paths), data.tag).result()


def by_plain_delayed(client, data):
    return dask.delayed(pm.digits)([dask.delayed(pm.digit)(path) for path in data.paths], data.tag).compute()


def by_delayed(client, data):
    return delayed(pm.digits)([delayed(pm.digit)(path) for path in data.paths], data.tag).compute()


def by_pruned(client, data):
    lazy = [delayed(pm.digit)(path) for path in data.paths]
    dask.compute(lazy)
    return delayed(pm.digits)(lazy, data.tag).compute(prune=True)


def by_pruned_locally(client, data):
    lazy = [delayed(pm.digit)(path) for path in data.paths]
    dask.compute(lazy)
    return prune(delayed(pm.digits)(lazy, data.tag))[0].compute(scheduler="sync")


def by_persisted(client, data):
    lazy = dask.persist(*[dask.delayed(pm.digit)(path) for path in data.paths])
    return dask.delayed(pm.digits)(list(lazy), data.tag).compute()


WAYS = [
    by_submit, by_held_futures, by_own_submit, by_plain_delayed, by_delayed, by_pruned, by_pruned_locally, by_persisted,
]  # fmt: skip


def inputs(fname):
    """Of the calls of a function: id -> name of the argument -> label of the call that gave it."""
    nodes = cache_tree_nodes()
    return {
        at: {name: nodes[call]["label"] for name, call in node["inputs"].items()}
        for at, node in nodes.items()
        if node["fname"] == fname
    }


def labels(paths):
    return [next(n["label"] for n in cache_tree_nodes().values() if n["files"] == [path]) for path in paths]


@pytest.mark.parametrize("way", WAYS)
def test_numbers_have_edges(way, client, data):
    """Those of two equal ones too: the place in the list tells which is whose."""
    values = way(client, data)
    assert max(values) < 3
    first, second, third = labels(data.paths)
    assert list(inputs("digits").values()) == [{"values[0]": first, "values[1]": second, "values[2]": third}]


@pytest.mark.parametrize("way", [by_submit, by_pruned])
def test_what_takes_the_number_of_a_stale_call_is_stale(way, client, data):
    way(client, data)
    data.paths[1].write_text("another")
    assert [found["node"]["fname"] for found in cache_tree_changed_files().values()] == ["digit"]
    found = {found["node"]["fname"]: str(found["reasons"][0]) for found in cache_tree_stale().values()}
    assert found.keys() == {"digit", "digits"}
    assert "its input digit" in found["digits"]


def test_a_number_by_itself(client, data):
    client.submit(pm.digits, client.submit(pm.digit, data.paths[0]), data.tag).result()
    assert list(inputs("digits").values()) == [{"values": labels(data.paths[:1])[0]}]


def test_the_same_number_from_elsewhere_has_no_edge(client, data):
    number = client.submit(pm.digit, data.paths[0]).result()
    client.submit(pm.digits, number, data.tag).result()
    assert list(inputs("digits").values()) == [{}]


def test_in_a_dict_and_by_keyword(client, data):
    one, two = client.map(pm.digit, data.paths[:2])
    client.submit(pm.digits, values={"a": one, "b": [two]}, tag=data.tag).result()
    first, second = labels(data.paths[:2])
    assert list(inputs("digits").values()) == [{"values['a']": first, "tasks between[0]": second}]


@pytest.mark.parametrize("way", ["submit", "delayed", "pruned"])
def test_tasks_that_are_not_cached_lie_between(way, client, data):
    if way == "submit":
        client.submit(pm.digits, client.submit(pm.rounded, client.map(pm.digit, data.paths[:2])), data.tag).result()
    else:
        lazy = [delayed(pm.digit)(path) for path in data.paths[:2]]
        dask.compute(lazy)
        delayed(pm.digits)(delayed(pm.rounded)(lazy), data.tag).compute(prune=way == "pruned")
    (found,) = inputs("digits").values()
    assert set(found) == {"tasks between[0]", "tasks between[1]"}
    assert sorted(map_of(found)) == sorted(map_of(dict(enumerate(labels(data.paths[:2])))))


def map_of(found):
    return [label["path"] for label in found.values()]


@pytest.mark.parametrize("is_pruned", [False, True])
def test_what_tasks_between_make_of_another_result_nobody_knows(is_pruned, client, data):
    """Until the program runs: then its call is the one that goes by it now, also if it was a hit."""
    lazy = delayed(pm.digits)(delayed(bool)(delayed(pm.rounded)(delayed(pm.digit)(data.paths[0]))), data.tag)
    data.paths[0].write_text("a")
    assert lazy.compute() is True
    data.paths[0].write_text("aa")
    assert delayed(pm.digit)(data.paths[0]).compute() == 2
    (found,) = cache_tree_stale().values()
    assert (found["node"]["fname"], found["state"]) == ("digits", "unknown")
    assert "gives something else by now, so run your program" in str(found["reasons"][0])
    lazy = delayed(pm.digits)(delayed(bool)(delayed(pm.rounded)(delayed(pm.digit)(data.paths[0]))), data.tag)
    assert lazy.compute(prune=is_pruned) is True
    assert cache_tree_stale() == {}


def test_within_a_task_that_dask_fused(client, data):
    bag = db.from_sequence(data.paths, npartitions=2).map(pm.digit)
    assert len(bag.map(pm.digits, data.tag).compute()) == 3
    numbers = {call for call, node in cache_tree_nodes().items() if node["fname"] == "digit"}
    takers = [node for node in cache_tree_nodes().values() if node["fname"] == "digits"]
    assert all(set(node["inputs"]) == {"values"} for node in takers)
    assert {call for node in takers for call in node["inputs"].values()} <= numbers
    assert all(node["inputs"] == {} for node in cache_tree_nodes().values() if node["fname"] == "digit")


def test_annotations_of_the_user_stay(client, data):
    with dask.annotate(priority=3):
        lazy = dask.delayed(pm.digits)([dask.delayed(pm.digit)(data.paths[0])], data.tag)
    lazy.compute(optimize_graph=False)
    (found,) = inputs("digits").values()
    assert set(found) == {"values[0]"}
