"""Kinds of mounts, as the table of mounts tells them; the clock of a server."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from cachepy.store import mounts
from cachepy.store.files import YOUNG, Files, StatMemo
from cachepy.store.mounts import Mounts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECOND = 10**9


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Says on which line of the table of mounts a device and a folder stand."""

    def put(*lines: str) -> None:
        monkeypatch.setattr(mounts, "_table", lambda: list(lines))
        monkeypatch.setattr(mounts, "_met", set())
        monkeypatch.setattr(mounts.sys, "platform", "linux")

    return put


def row(kind: str, device: str = "0:45", folder: str = "/data", source: str = "host:/export") -> str:
    return f"36 35 {device} / {folder} rw,noatime shared:1 - {kind} {source} rw,vers=3"


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "fuse.fuse-overlayfs", "fuseblk"])
def test_local(table: Any, kind: str) -> None:
    table(row(kind))
    assert Mounts().is_local(os.makedev(0, 45), "/data/x")


@pytest.mark.parametrize(
    "kind", ["nfs", "nfs4", "cifs", "smb3", "lustre", "gpfs", "ceph", "fuse.sshfs", "fuse", "9p", "virtiofs", "vfat", "?"]
)
def test_not_known_to_be_local(table: Any, kind: str) -> None:
    table(row(kind))
    assert not Mounts().is_local(os.makedev(0, 45), "/data/x")


@pytest.mark.parametrize(
    ("path", "local"), [("/data/x", False), ("/data", False), ("/database", True), ("/a b/x", False), ("/x", True)]
)
def test_a_device_that_the_table_does_not_name(table: Any, path: str, local: bool) -> None:
    """A subvolume has a number of its own: its folder tells."""
    rows = row("ext4", "8:1", "/"), row("nfs"), row("nfs", folder=r"/a\040b")
    table(*rows)
    assert Mounts().is_local(os.makedev(0, 99), path) == local


def test_a_table_that_cannot_be_read(table: Any) -> None:
    table()
    assert not Mounts().is_local(os.makedev(0, 45), "/data/x")


@pytest.mark.parametrize("line", ["", "36 35 0:45 ", " 0:45 - ", "36 35 0:45 / /data rw - nfs"])
def test_a_line_that_ends_early(table: Any, line: str) -> None:
    table(line)
    assert not Mounts().is_local(os.makedev(0, 45), "/data/x")


def test_decided_once(table: Any) -> None:
    found = Mounts()
    table(row("ext4"))
    assert found.is_local(os.makedev(0, 45), "/data/x")
    table(row("nfs"))
    assert found.is_local(os.makedev(0, 45), "/data/x")


def test_the_memo_says_for_which_kind_of_mount_it_holds(tmp_path: Path, table: Any) -> None:
    """A row from before a mount was known to be a network's, or from another host's device 45, counts for nothing."""
    here, numbers = os.makedev(0, 45), (7, 50_000, 1, 2)
    memo = StatMemo()
    Files(memo)
    table(row("ext4"))
    memo.put((here, *numbers), "ab" * 16, 50_000)
    memo.flush(str(tmp_path / "memo"))

    def remembered(lines: str) -> str | None:
        again, found = StatMemo(), Mounts()
        table(lines)
        found.is_local(here, "/data/x")
        Files(again, found)
        again.attach(str(tmp_path / "memo"))
        return again.get((here, *numbers))

    assert remembered(row("ext4")) == "ab" * 16
    assert remembered(row("nfs")) is None


def test_the_memo_is_shared_by_hosts_that_mount_the_same(tmp_path: Path, table: Any) -> None:
    numbers = 7, 50_000, 1, 2

    def memo(device: int, line: str) -> StatMemo:
        made, found = StatMemo(), Mounts()
        table(line)
        assert not found.is_local(device, "/data/x")
        Files(made, found)
        made.attach(str(tmp_path / "memo"))
        return made

    first = memo(os.makedev(0, 45), row("nfs4"))
    first.put((os.makedev(0, 45), *numbers), "ab" * 16, 50_000)
    first.flush(str(tmp_path / "memo"))
    other = os.makedev(0, 46)
    assert memo(other, row("nfs4", "0:46")).get((other, *numbers)) == "ab" * 16
    assert memo(other, row("nfs4", "0:46", source="host:/else")).get((other, *numbers)) is None
    assert memo(other, row("fuse.sshfs", "0:46")).get((other, *numbers)) is None


# ---- the clock of a server


def stat_of(mtime: int, ctime: int, device: int = 45) -> os.stat_result:
    return os.stat_result((0o100644, 1, device, 1, 0, 0, 1, 0, mtime // SECOND, ctime // SECOND), {
        "st_mtime_ns": mtime, "st_ctime_ns": ctime,
    })  # fmt: skip


@pytest.fixture
def nfs(table: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[Mounts, list[int]]:
    table(row("nfs"))
    made, now = Mounts(), [5 * SECOND]
    assert not made.is_local(45, "/data/x")
    monkeypatch.setattr(mounts.time, "monotonic_ns", lambda: now[0])
    return made, now


def test_a_server_is_past_what_it_has_shown(nfs: tuple[Mounts, list[int]]) -> None:
    made, now = nfs
    assert not made.has_passed(45, 0)
    made.note(stat_of(1, 1000 * SECOND))
    assert made.has_passed(45, 999 * SECOND)
    assert not made.has_passed(45, 1000 * SECOND)
    now[0] += YOUNG + 1
    assert made.has_passed(45, 1000 * SECOND + YOUNG)
    assert not made.has_passed(46, 0)
    made.note(stat_of(1, 900 * SECOND))  # an older file takes nothing back
    assert made.has_passed(45, 1000 * SECOND + YOUNG)


def test_a_date_from_the_future_says_nothing(nfs: tuple[Mounts, list[int]]) -> None:
    """The server, or who made the file, had a wrong clock once."""
    made, _ = nfs
    made.note(stat_of(1, time.time_ns() + 3600 * SECOND))
    assert not made.has_passed(45, 0)


def test_a_time_that_was_set_says_nothing(nfs: tuple[Mounts, list[int]]) -> None:
    made, _ = nfs
    made.note(stat_of(1000 * SECOND, 500 * SECOND))
    assert not made.has_passed(45, 700 * SECOND)


@pytest.mark.parametrize(("kind", "trusted"), [("nfs", True), ("fuse.sshfs", False), ("vfat", False)])
def test_who_keeps_no_ctime_is_not_believed(nfs: tuple[Mounts, list[int]], table: Any, kind: str, trusted: bool) -> None:
    assert nfs
    table(row(kind))
    made = Mounts()
    made.is_local(45, "/data/x")
    made.note(stat_of(1000 * SECOND, 1000 * SECOND))
    assert made.has_passed(45, 10) == trusted
    made.note(stat_of(1, 1001 * SECOND))  # it does keep one
    assert made.has_passed(45, 10)
