"""What happened as an exit code: the one place that decides them.

0: fresh, or done.  1: stale or missing (status, explain, plan, refresh), results differ (diff), or problems found
(verify).  2: wrong usage.  3: any other error.  130: interrupted.  141: the output was closed, as by head.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

STALE, USAGE, ERROR, INTERRUPTED, UNREAD = 1, 2, 3, 130, 141
DEBUG = "CACHEPY_DEBUG"  # set: show the traceback of an error


def guarded(run: Callable[[], int]) -> int:
    """The exit code of what runs; errors are told on stderr, never as 1."""
    try:
        try:
            return run()
        finally:
            _flush()
    except BrokenPipeError:
        _give_up_stdout()
        return UNREAD
    except SystemExit as error:
        return _told(f"the program was ended by sys.exit({error.code!r})", error)
    except KeyboardInterrupt:
        return _told("interrupted", None, INTERRUPTED)
    except BaseException as error:  # the exit code must not be Python's 1
        return _failed(error)


def _flush() -> None:
    if sys.stdout is not None and not sys.stdout.closed:
        sys.stdout.flush()


def _give_up_stdout() -> None:
    """What is still buffered goes nowhere, so that the end of the process does not fail over it."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, AttributeError, ValueError):
        pass


def _failed(error: BaseException) -> int:
    click: Any = sys.modules.get("click")
    if click is not None and hasattr(click, "UsageError"):  # else it could not be imported
        if isinstance(error, click.exceptions.Exit):
            return int(error.exit_code)
        if isinstance(error, click.Abort):
            return _told("interrupted", None, INTERRUPTED)
        if isinstance(error, click.UsageError):
            error.show()
            return USAGE
        if isinstance(error, click.ClickException):
            return _told(error.format_message(), error)
    if isinstance(error, OSError):
        _give_up_stdout_if(error)
        where = f"{error.filename}: " if error.filename else ""
        return _told(f"{where}{error.strerror or error}", error)
    from cachepy.errors import CachepyError

    if isinstance(error, CachepyError):
        return _told(str(error), error)
    return _told(f"{type(error).__name__}: {error} (unforeseen; {DEBUG}=1 shows where)", error)


def _give_up_stdout_if(error: OSError) -> None:
    if error.filename is None:  # a write to stdout failed, a full disk for one
        _give_up_stdout()


def _told(text: str, error: BaseException | None, code: int = ERROR) -> int:
    """Say it on stderr, with the traceback if that is asked for."""
    if sys.stderr is not None:
        if error is not None and os.environ.get(DEBUG):
            import traceback

            traceback.print_exception(error)
        try:
            print(f"cachepy: {text}" if code == INTERRUPTED else f"cachepy: error: {text}", file=sys.stderr)
        except OSError:
            pass
    return code
