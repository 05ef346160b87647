"""Importing the user's modules from a command: from the current folder first, apart from the data on stdout."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager

from cachepy.errors import CachepyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def importing(import_code: bool = True) -> Iterator[None]:
    """Lets modules of the current folder be imported; what they print goes to stderr, and no bytecode is written."""
    if not import_code:
        yield
        return
    before = sys.path[:], sys.dont_write_bytecode
    sys.path.insert(0, os.getcwd())
    sys.dont_write_bytecode = True
    try:
        with _stdout_aside():
            yield
    except SystemExit as error:
        raise CachepyError(f"code of a module ended the program: sys.exit({error.code!r})") from None
    finally:
        sys.path[:], sys.dont_write_bytecode = before


@contextmanager
def _stdout_aside() -> Iterator[None]:
    """Sends stdout to stderr, also that of C code and of processes that are started."""
    from contextlib import redirect_stdout

    if sys.stdout is not None:
        sys.stdout.flush()
    try:
        kept = os.dup(1)
        os.dup2(2, 1)
    except OSError:  # one of them is closed
        kept = None
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        if kept is not None:
            os.dup2(kept, 1)
            os.close(kept)
