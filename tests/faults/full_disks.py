"""Programs that fill a disk and judge what the cache does then."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


PROGRAM = """
ran = []


@cache_file(ROOT, ignore_globals=["ran"])
def inner(n):
    ran.append(("inner", n))
    return n % 256


@cache_file(ROOT, ignore_globals=["ran"])
def outer(n):
    ran.append(("outer", n))
    return bytes([inner(n)]) * n


def right(n):
    assert outer(n) == bytes([n % 256]) * n, n


def warm():
    '''Import all that a call needs: another user may not read Python's own files.'''
    import cachepy.preload, ctypes
    with use_session(Session()):
        here = cache_file(os.path.join(HERE, "warm"))(lambda x: b"1" * x)
        here(1), here(1), here.explain(2)


def nobody():
    '''Permissions do not bind root.'''
    warm()
    if os.geteuid() == 0:
        os.seteuid(65534)


def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def endless():
    limit(resource.getrlimit(resource.RLIMIT_FSIZE)[1])


def story(spoil, mend, stored_small=False):
    '''SIZES: a small and a large value.'''
    small, large = 10, 50_000
    spoil()
    for _ in range(2):
        right(small), right(large)
    again = [row for row in (("outer", small), ("outer", large)) if ran.count(row) != 2]
    assert again == ([("outer", small)] if stored_small else []), ran
    mend()
    assert left() == [], left()
    right(small), right(large)
    ran.clear()
    right(small), right(large)
    assert ran == [], ran
    assert len(entries()) == 4
    with use_session(Session()):
        cache_tree_sync(ROOT)
        assert len(cache_tree_nodes()) == 4
    causes = [kind for kind, _ in heard]
    assert causes in (["CacheWriteWarning"], ["CacheReadWarning", "CacheWriteWarning"]), heard
    assert all(HERE in text for _, text in heard), heard
    print(heard[-1][1])
"""


def open_folder() -> Iterator[Path]:
    """A folder that every user may enter and write to: pytest's own are private."""
    folder = Path(tempfile.mkdtemp(prefix="cachepy-fault-"))
    folder.chmod(0o777)
    yield folder
    for each in folder.rglob("*"):
        if each.is_dir() and not each.is_symlink():
            each.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


FILL = """
BALLAST = os.path.join(ROOT, "ballast")


def fill(but=0):
    with open(BALLAST, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
        file.truncate(os.path.getsize(BALLAST) - but)


def inodes():
    os.mkdir(BALLAST)
    try:
        for i in range(100):
            open(os.path.join(BALLAST, str(i)), "w").close()
    except OSError:
        pass


def empty():
    os.unlink(BALLAST) if os.path.isfile(BALLAST) else shutil.rmtree(BALLAST)
"""
