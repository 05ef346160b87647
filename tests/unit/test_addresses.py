"""Stored pickles that name modules of cachepy as they were called before."""

from __future__ import annotations

import importlib
import pickle
from collections import OrderedDict

import pytest

from cachepy.errors import EntryError
from cachepy.store import addresses, stored_arguments
from cachepy.store.changed_arguments import Changed, alone, pack_changed
from cachepy.store.entryfile import load_value
from cachepy.values.bound_methods import Method

# as protocol 0 writes it: code of a script goes by its name
BY_NAME = b"ccachepy.disk.payload\nby_name\n(Vcollections\nVOrderedDict\ntR."


def under(old: str, value: object) -> bytes:
    """A pickle that names the class of a value under an old address; 0 is the protocol of which text is lines."""
    new = type(value).__module__
    data = pickle.dumps(value, 0)
    assert f"c{new}\n".encode() in data
    return data.replace(f"c{new}\n".encode(), f"c{old}\n".encode())


def test_code_of_a_script_is_found_under_the_old_address():
    assert load_value(BY_NAME) is OrderedDict
    assert load_value(memoryview(BY_NAME)) is OrderedDict


def test_arguments_are_read_under_the_old_address():
    data = b"((" + BY_NAME[:-1] + b"t(dt."
    assert stored_arguments.load(data, {}.__getitem__) == ((OrderedDict,), {})


def test_changed_arguments_are_read_under_the_old_address():
    rows = [1, 2]
    packed = pack_changed("result", [(("rows",), rows)], -1)
    changed = pickle.loads(packed.pickle, buffers=packed.buffers)
    assert type(changed) is Changed
    changed.buffers = []
    old = load_value(under("cachepy.disk.changed", changed))
    assert type(old) is Changed and alone(old) == "result"
    old.table = b"(l."
    old.data = b"((l" + BY_NAME[:-1] + b"t."
    assert alone(old) is OrderedDict


def test_a_name_is_looked_for_in_each_of_the_modules_that_it_may_be_in():
    found = load_value(b"ccachepy.methods\nMethod\n(ccollections\nOrderedDict\ntR.")
    assert type(found) is Method and found.__func__ is OrderedDict


def test_what_nobody_knows_is_the_first_error():
    with pytest.raises(EntryError, match=r"No module named 'cachepy\.never'"):
        load_value(b"ccachepy.never\nThing\n.")
    with pytest.raises(EntryError, match="no_such_module"):
        load_value(b"cno_such_module\nThing\n.")


def test_old_addresses_lead_somewhere():
    for homes in addresses.MOVED.values():
        for home in homes:
            importlib.import_module(f"cachepy.{home}")
