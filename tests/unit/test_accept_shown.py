"""Where it is shown that a result is fresh because a person accepted it: pictures, the page, status."""

from __future__ import annotations

import pytest

from tests.programs import LOG, Project
from tests.unit.test_accept import EDITS, FLOW, MAIN, accepted


@pytest.fixture
def flow(tmp_path):
    """A program that ran once."""
    with Project(tmp_path, head=LOG, LOGNAME="ann") as made:
        made.write("data.txt", "one")
        made.write("flow.py", FLOW)
        made.run("-c", MAIN)
        yield made


def test_status_the_picture_and_the_page_say_what_is_accepted(flow):
    """A legend has an entry for it only where there is such a call."""
    show = """
import cachepy, sys
cachepy.cache_tree_sync("cache")
cachepy.plot_cache_graph("graph.svg")
from cachepy.views.captions import ACCEPTED, View
nodes = cachepy.cache_tree_nodes()
print(*sorted(node["fname"] for call, node in nodes.items() if View(nodes, {}, {}).marks([call])))
"""
    legend = "accepted: a person kept its result"
    flow.run("-c", show)
    assert legend not in (flow / "graph.svg").read_text()
    assert flow.cachepy("status").stdout == "all 3 calls are fresh\n"
    assert flow.cachepy("status", "--json").json()["accepted"] == {}

    flow.edit("flow.py", *EDITS["helper"])
    accepted(flow)
    assert flow.run("-c", show).stdout == "leaf read\n"
    drawn = (flow / "graph.svg").read_text()
    assert legend in drawn
    assert drawn.count('id="badge-accepted') == 3  # two calls, and the legend
    text = flow.cachepy("status").stdout
    assert text.startswith("all 3 calls are fresh (2 accepted by ann on 20")
    told = flow.cachepy("status", "--json").json()["accepted"]
    assert sorted(call.partition(":")[0] for call in told) == ["leaf", "read"]
    flow.cachepy("export", "-o", "graph.html", code=0)
    assert (flow / "graph.html").read_text().count('"by ann on 20') == 2

    flow.edit("flow.py", "return 1 + x", "return 1 + x + 0")
    flow.run("-c", "import flow\n" + show)  # what is stale has its own mark
    assert legend not in (flow / "graph.svg").read_text()
    assert "accepted" not in flow.cachepy("status").stdout
