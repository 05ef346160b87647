"""Cached functions to be attacked; in a module of their own, so that their code reaches nothing else."""

import numpy as np

from cachepy import track_file

RAN = []
SIZE = 40_000  # numbers of 8 bytes: more than is read instead of mapped


def make(cached):
    @cached
    def lines(path, large):
        RAN.append("lines")
        return {"text": path.read_text(), "length": len(track_file(large).read_bytes())}

    @cached
    def array(start):
        RAN.append("array")
        return np.arange(SIZE) + start

    @cached
    def total(path, large):
        RAN.append("total")
        return [lines(path, large), int(array(3).sum())]

    return lines, array, total


def make_small(cached):
    @cached
    def leaf(x):
        return {"x": x}

    @cached
    def top(x, path):
        return [leaf(x), track_file(path).read_text()]

    return leaf, top


def zeros(length):
    return np.zeros(length)
