"""A mailbox that is damaged while its run goes on: a call below may be missing, so nothing is stored."""

from __future__ import annotations

import os
import pickle
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cachepy import CacheWriteWarning, ChangedInputWarning, Session, cache_file, use_session, with_caller
from cachepy.core.current import caller
from cachepy.core.frame import Frame
from cachepy.core.model import Dep
from cachepy.store.journal import MARK, scan
from cachepy.store.journal import frame as record
from cachepy.store.posting import RemoteFrame, post, read_mailbox

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    "left", [b"garbage", record(("call", "f:" + "0" * 32, "x"))[:-3], record(("no", "dep")), record(7)], ids=str
)
def test_nothing_is_stored_without_what_may_be_lost(tmp_path: Path, left: bytes) -> None:
    with use_session(Session()):

        @cache_file(tmp_path / "cache")
        def top(x: int) -> int:
            running = caller()
            assert running is not None
            running.shared = True  # as `with_caller` does when a call is sent to another process
            os.makedirs(os.path.dirname(running.mailbox), exist_ok=True)
            Path(running.mailbox).write_bytes(left)
            return x

        with pytest.warns(UserWarning, match="mailbox for calls that other processes make changed while top ran"):
            assert top(1) == 1
        assert not top.is_cached(1)


def test_a_whole_mailbox_is_taken(tmp_path: Path) -> None:
    with use_session(Session()), warnings.catch_warnings():
        warnings.simplefilter("error")

        @cache_file(tmp_path / "cache")
        def top(x: int) -> int:
            running = caller()
            assert running is not None
            running.shared = True
            os.makedirs(os.path.dirname(running.mailbox), exist_ok=True)
            Path(running.mailbox).write_bytes(record(("file", "nothing-here", None)))
            return x

        assert top(1) == 1
        assert top.is_cached(1)


@pytest.mark.parametrize("left", [None, record(("file", "nothing-here", None))], ids=["gone", "made again"])
def test_a_mailbox_that_somebody_took_away(tmp_path: Path, left: bytes | None) -> None:
    """Who cannot write into it removes it; another process may make it again before it is read."""
    with use_session(Session()):

        @cache_file(tmp_path / "cache")
        def top(x: int) -> int:
            running = caller()
            assert running is not None
            assert pickle.dumps(with_caller(len))
            os.unlink(running.mailbox)
            if left is not None:
                Path(running.mailbox).write_bytes(left)
            return x

        @cache_file(tmp_path / "cache")
        def above(x: int) -> int:
            return top(x)

        with pytest.warns(CacheWriteWarning, match="a process that it started could not write there") as seen:
            assert above(1) == 1
        assert len(seen) == 1
        assert not top.is_cached(1)
        assert not above.is_cached(1)
        assert not os.listdir(tmp_path / "cache" / "runs")


def test_a_frame_far_away_learns_that_a_call_below_it_lost_something(tmp_path: Path) -> None:
    top = Frame("top:1", "t", None, str(tmp_path / "t"), "/")
    below = Frame("below:1", "b", RemoteFrame("t", top.mailbox), str(tmp_path / "b"), "/")
    below.lose(None)
    below.hand_over()
    for dep in read_mailbox(top):
        top.add(dep)
    assert top.changed


# ---- somebody alters it while the run goes on: two processes wrote two deps each


def split(data: bytes) -> list[bytes]:
    """The records of a journal file, each with its head."""
    starts = [at for at in range(len(data)) if data.startswith(MARK, at)]
    return [data[a:b] for a, b in zip(starts, [*starts[1:], len(data)], strict=True)]


def edit(path: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    path.write_bytes(b"".join(change(split(path.read_bytes()))))


def again(path: Path, data: bytes) -> None:
    """Another file of that name."""
    path.unlink()
    path.write_bytes(data)


def other(box: Path) -> tuple[str, Path]:
    """The mailbox of another run, with as many deps."""
    away = Frame("f:1", "r" * 32, None, str(box) + "-of-another", "/")
    post(away)
    fill(away)
    return away.secret, Path(away.mailbox)


def fill(running: Frame) -> None:
    senders = [RemoteFrame(running.run, running.mailbox, running.secret) for _ in range(2)]
    for name in ("a", "b"):
        for sender in senders:
            sender.add(Dep("file", name, None))


def tally(box: Path) -> Path:
    return box.with_name(box.name + ".tally")


def link(box: Path) -> None:
    copy = box.with_name("copy")
    os.rename(box, copy)
    box.symlink_to(copy)


def wrongly_signed(box: Path) -> None:
    _, away = other(box)
    box.write_bytes(box.read_bytes() + split(away.read_bytes())[1])


def relabelled(rows: list[bytes]) -> list[bytes]:
    """One of the deps is another, under the old signature."""
    *said, mac = next(iter(scan(rows[1])))
    assert said[3] == "a"
    return [rows[0], record((*said[:3], "c", said[4], mac)), *rows[2:]]


ALTERED: dict[str, Callable[[Path], object]] = {
    "cut by a record": lambda box: edit(box, lambda rows: rows[:-1]),
    "cut to its head": lambda box: edit(box, lambda rows: rows[:1]),
    "cut within a record": lambda box: box.write_bytes(box.read_bytes()[:-5]),
    "without one in the middle": lambda box: edit(box, lambda rows: rows[:2] + rows[3:]),
    "without one, nor its receipt": lambda box: [edit(box, lambda r: r[:1] + r[2:]), edit(tally(box), lambda r: r[1:])],
    "one twice": lambda box: edit(box, lambda rows: [*rows, rows[1]]),
    "one altered": lambda box: edit(box, relabelled),
    "one that is not signed": lambda box: box.write_bytes(box.read_bytes() + record(("file", "c", None))),
    "one of another run": wrongly_signed,
    "another run's": lambda box: os.replace(other(box)[1], box),
    "another run's, and its tally": lambda box: [
        os.replace(tally(other(box)[1]), tally(box)),
        os.replace(str(box) + "-of-another", box),
    ],
    "empty": lambda box: box.write_bytes(b""),
    "gone": lambda box: box.unlink(),
    "made again": lambda box: again(box, record(("file", "a", None))),
    "a link": link,
    "without its tally": lambda box: tally(box).unlink(),
    "a tally that is damaged": lambda box: tally(box).write_bytes(tally(box).read_bytes()[:-3]),
    "a tally with a false receipt": lambda box: tally(box).write_bytes(tally(box).read_bytes() + record(("w", 1, b"x"))),
    "a tally that is a link": lambda box: link(tally(box)),
}


@pytest.mark.parametrize("key", [None, "k" * 32], ids=["unsigned", "signed"])
@pytest.mark.parametrize("altered", ALTERED)
def test_a_mailbox_that_was_altered(tmp_path: Path, altered: str, key: str | None) -> None:
    with use_session(Session()), warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")

        @cache_file(tmp_path / "cache", signing_key=key)
        def top(x: int) -> int:
            running = caller()
            assert isinstance(running, Frame)
            assert pickle.dumps(with_caller(len))
            fill(running)
            ALTERED[altered](Path(running.mailbox))
            return x

        @cache_file(tmp_path / "cache", signing_key=key)
        def above(x: int) -> int:
            return top(x)

        assert above(1) == 1
        assert {w.category for w in seen} <= {CacheWriteWarning, ChangedInputWarning}
        assert len([w for w in seen if " top " in str(w.message) or w.category is CacheWriteWarning]) == 1
        assert not top.is_cached(1)
        assert not above.is_cached(1)


@pytest.mark.parametrize("key", [None, "k" * 32], ids=["unsigned", "signed"])
def test_a_mailbox_that_nobody_altered(tmp_path: Path, key: str | None) -> None:
    """Two processes, one of which forks: each counts for itself; nobody else may write there, whatever the umask."""
    before = os.umask(0)
    try:
        with use_session(Session()) as session, warnings.catch_warnings():
            warnings.simplefilter("error")

            @cache_file(tmp_path / "cache", signing_key=key)
            def top(x: int) -> int:
                running = caller()
                assert isinstance(running, Frame)
                assert pickle.dumps(with_caller(len))
                fill(running)
                sender = RemoteFrame(running.run, running.mailbox, running.secret)
                sender.add(Dep("file", "before the fork", None))
                fork(lambda: sender.add(Dep("file", "in the child", None)))
                sender.add(Dep("file", "after it", None))
                assert {p.stat().st_mode & 0o777 for p in Path(running.mailbox).parent.iterdir()} == {0o600}
                return x

            assert top(1) == 1
            assert top.is_cached(1)
            (event,) = session.stores.events(f"{top.__name__}:{top.key(1)}")
            assert {d.name for d in event.trace.deps if d.kind == "file"} == {
                "a", "b", "before the fork", "in the child", "after it",
            }  # fmt: skip
            assert not os.listdir(tmp_path / "cache" / "runs")
    finally:
        os.umask(before)


def fork(do: Callable[[], object]) -> None:
    child = os.fork()
    if not child:
        try:
            do()
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def test_who_sends_too_late_says_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    running = Frame("f:1", "r" * 32, None, str(tmp_path / "box"), "/")
    post(running)
    late = RemoteFrame(running.run, running.mailbox, running.secret)
    assert read_mailbox(running) == []
    late.add(Dep("file", "a", None))
    assert not running.changed
    assert not os.listdir(tmp_path)


def test_what_is_sent_on_keeps_the_secret(tmp_path: Path) -> None:
    """A process that was sent off sends on: the frame there is one far away already."""
    running = Frame("f:1", "r" * 32, None, str(tmp_path / "box"), "/")
    post(running)
    bound = with_caller(len)
    bound.frame = RemoteFrame(running.run, running.mailbox, running.secret)
    sent_on = pickle.loads(pickle.dumps(bound))
    sent_on.frame.add(Dep("file", "a", None))
    assert read_mailbox(running) == [Dep("file", "a", None)]
    assert not running.changed


def test_the_secret_is_on_no_disk(tmp_path: Path) -> None:
    running = Frame("f:1", "r" * 32, None, str(tmp_path / "box"), "/")
    post(running)
    fill(running)
    assert len(running.secret) == 32
    assert all(running.secret.encode() not in path.read_bytes() for path in tmp_path.iterdir())
