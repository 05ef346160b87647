"""Importing the user's modules from a command: from the current folder first, apart from the data on stdout.

Imports errors.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager

from cachepy.errors import CachepyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


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


def import_all(modules: Iterable[str]) -> dict[str, str]:
    """Import modules; of those that cannot be imported, why.

    >>> import_all(["os", "no_such_module"])
    {'no_such_module': "ModuleNotFoundError: No module named 'no_such_module'"}
    """
    from importlib import import_module

    failed = {}
    for name in sorted(set(modules)):
        try:
            import_module(name)
        except SystemExit as error:
            failed[name] = f"it calls sys.exit({error.code!r})"
        except Exception as error:
            failed[name] = f"{type(error).__name__}: {error}"
    return failed


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
