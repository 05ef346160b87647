"""What a code record says at its end of what its modules read at import; damage tells nothing."""

from __future__ import annotations

import pytest

from cachepy.code.edit_times import Edits, reads_in, with_reads

READS = [("env", "HOME", None), ("file", "/a\udcff b", "d1")]
RECORD = with_reads(b"record", READS)


def test_reads_come_back():
    assert reads_in(RECORD) == READS
    assert RECORD.startswith(b"record")


@pytest.mark.parametrize("at", range(len(RECORD)))
def test_damage_tells_nothing_and_raises_nothing(at):
    assert reads_in(RECORD[:at]) == []
    for byte in (0, 32, 57, 255):
        changed = RECORD[:at] + bytes([byte]) + RECORD[at + 1 :]
        assert all(len(read) == 3 for read in reads_in(changed))


def test_a_file_edited_later_leaves_it_as_it_is(tmp_path):
    late = tmp_path / "late"
    late.touch()
    edits, digest = Edits(), {str(late): "d"}.get
    assert edits.tell_of_now([("env", "CACHEPY_NONE", None)], digest)
    assert not edits.tell_of_now([("env", "CACHEPY_NONE", "other")], digest)
    assert not edits.tell_of_now([("file", str(tmp_path / "gone"), "d")], digest)
    assert edits.tell_of_now([("file", str(late), "other"), ("file", str(tmp_path / "gone"), "d")], digest)
