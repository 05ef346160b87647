"""A small network is trained: data, split, epochs, score. The second start trains nothing.

    python examples/train.py              # needs torch; a few seconds on one core
    python examples/train.py --status     # what is stale, and why, without running anything

Each epoch is a call of its own that takes the state after the one before. So with more epochs only the new ones run,
and an edit of `score` trains nothing again.
"""

from __future__ import annotations

import argparse
import copy
import os
from pathlib import Path
from typing import Any

import torch

from cachepy import cache_file, cache_tree_nodes, cache_tree_stale, cache_tree_sync

OUT = Path(os.environ.get("TRAIN_DIR", Path(__file__).resolve().parent / "out" / "train")).resolve()
CACHE = OUT / "cache"
POINTS, WIDTH, RATE, BATCH = 3000, 32, 0.01, 100

cached = cache_file(CACHE)
Data = tuple[torch.Tensor, torch.Tensor]
State = dict[str, Any]


@cached
def points(seed: int) -> Data:
    """Points in a square, and whether each lies in one of two rings."""
    torch.manual_seed(seed)
    places = torch.rand(POINTS, 2) * 2 - 1
    far = places.norm(dim=1)
    return places, ((far < 0.3) | ((far > 0.6) & (far < 0.9))).float()


@cached
def split(data: Data, share: float) -> tuple[Data, Data]:
    """The first part to learn from, the rest to be tested with."""
    places, inside = data
    at = int(len(places) * share)
    return (places[:at], inside[:at]), (places[at:], inside[at:])


def network() -> torch.nn.Sequential:
    """Two hidden layers."""
    layers = torch.nn.Linear(2, WIDTH), torch.nn.ReLU(), torch.nn.Linear(WIDTH, WIDTH), torch.nn.ReLU()
    return torch.nn.Sequential(*layers, torch.nn.Linear(WIDTH, 1))


@cached
def start(seed: int) -> State:
    """Weights by chance, and an optimizer that has done nothing yet."""
    torch.manual_seed(seed)
    model = network()
    return {"model": model.state_dict(), "optimizer": torch.optim.Adam(model.parameters(), RATE).state_dict()}


@cached
def epoch(state: State, data: Data, number: int) -> State:
    """The state after one more look at all points, in an order that its number gives."""
    places, inside = data
    model = network()
    model.load_state_dict(state["model"])
    optimizer = torch.optim.Adam(model.parameters(), RATE)
    optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))  # it keeps what it is given, and counts steps in it
    order = torch.randperm(len(places), generator=torch.Generator().manual_seed(number))
    for batch in order.split(BATCH):
        optimizer.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(model(places[batch])[:, 0], inside[batch])
        loss.backward()
        optimizer.step()
    return {"model": model.state_dict(), "optimizer": optimizer.state_dict()}


@cached
def score(state: State, data: Data) -> float:
    """The share of points that it gets right."""
    places, inside = data
    model = network()
    model.load_state_dict(state["model"])
    with torch.no_grad():
        right = (model(places)[:, 0] > 0) == (inside > 0)
    return round(float(right.float().mean()), 3)


def main() -> None:
    """Train, and say what it took."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--epochs", type=int, default=5)
    asked.add_argument("--status", action="store_true", help="only say what is stale, and why")
    options = asked.parse_args()
    torch.set_num_threads(1)
    cache_tree_sync(CACHE)
    if options.status:
        for call, found in cache_tree_stale().items():
            print(f"{call.partition(':')[0]}: {found['state']}, {', '.join(map(str, found['reasons']))}")
        return
    before = {call: node["created"] for call, node in cache_tree_nodes().items()}
    learn, test = split(points(0), 0.8)
    state = start(1)
    for number in range(options.epochs):
        state = epoch(state, learn, number)
    print(f"after {options.epochs} epochs {score(state, test):.1%} of the test points are right")
    nodes = cache_tree_nodes()
    ran = sorted(node["fname"] for call, node in nodes.items() if node["created"] != before.get(call))
    print(f"{len(ran)} calls ran: {' '.join(ran)}" if ran else "nothing ran")


if __name__ == "__main__":
    main()
