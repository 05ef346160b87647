"""Cells of a notebook, as a program of its own: `python cells.py ADDRESS PROGRAMS NUMBERS`; prints what each way gave.

The functions are those of ``__main__``, so they travel by value to workers that live on and keep the older ones.
"""

from __future__ import annotations

import json
import sys

import dask
from distributed import Client

from dask_plugin import connect, delayed, with_caller


def ways(client, g):
    """All futures are kept: a key that did not change would give the old value."""
    return {
        "plain": client.submit(g, 10),
        "carrying": client.submit(with_caller(g), 10),
        "mapped": client.map(g, [10])[0],
        "mapped carrying": client.map(with_caller(g), [10])[0],
        "pure": client.compute(delayed(g, pure=True)(10)),
        "plain pure": client.compute(dask.delayed(g, pure=True)(10)),
        "impure": client.submit(g, 10, pure=False),
        "lazy": client.compute(delayed(g)(10)),
        "as an argument": client.submit(call, g, 10),
        "below a plain function": client.submit(with_caller(above), 10),
    }


def call(fn, x):
    return fn(x)


def above(x):
    return g(x)  # noqa: F821 - of the cells


def main(address, programs, numbers):
    held = []
    with Client(address) as client, connect(client):
        found = []
        for name, cells in programs.items():
            for number in numbers:
                for cell in cells:
                    if number == numbers[0] or "NUMBER" in cell:  # only the cell that was edited is run again
                        exec(cell.replace("NUMBER", str(number)), globals())
                made = ways(client, globals()["g"])
                held.append(made)
                found += [(name, number, way, future.result()) for way, future in made.items()]
    return found


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3]))))
