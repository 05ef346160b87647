"""A result that is stored in a form which others read, for `format=`: written, read back, and compared, once.

What a form cannot write, or gives back otherwise, is pickled as it would be without one, and a warning says why.
"""

from __future__ import annotations

from errno import EACCES, EDQUOT, ENOSPC, EPERM, EROFS

from cachepy.errors import CacheWriteWarning, UndigestableError, raise_users
from cachepy.store.value_files import Beside, Draft
from cachepy.values.digest import References

_OF_THE_DISK = (EACCES, EDQUOT, ENOSPC, EPERM, EROFS)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def written(run: Any) -> tuple[Draft, str, set[str]] | None:
    """The result as a file that waits for its name, with its digest and the paths that it names; None: pickle it."""
    call, value = run.call.function, run.value
    if run.inputs.given.parts or type(value).__module__.startswith("cachepy."):  # with arguments, or an error
        return None
    found = References()
    try:
        digest = run.session.digester.digest(value, found)
    except UndigestableError as error:
        raise_users(error)
        _refused(run, "has no digest to compare it by", error)
        return None
    form = call.options.format
    beside = Beside(form, "", call.options.compress if isinstance(form, str) else None)
    draft = Draft(run.call.store.root, run.call.store.trust, call.fname, beside)
    try:
        back = draft.write(value)
        again = run.session.digester.digest(back)
        if again != digest and _is_same_table(value, back):
            run.value, digest = back, again  # as a hit will: each call that takes it has one key then
        is_equal = again == digest
    except Exception as error:  # each library has its own
        draft.discard()
        if isinstance(error, OSError) and error.errno in _OF_THE_DISK:  # no fault of the form
            run.call.cannot_write(error)
            return None
        _refused(run, "cannot be written in that form", error)
        return None
    except BaseException:
        draft.discard()
        raise
    if not is_equal:
        draft.discard()
        _refused(run, "comes back changed from that form", None, back)
        return None
    named = {value} if type(value) is str else set[str]()
    return draft, digest, named.union(found.paths)


def _refused(run: Any, what: str, error: Exception | None, back: Any = None) -> None:
    call = run.call.function
    form = call.options.format
    why = f" ({type(error).__name__}: {error})" if error is not None else f": {_difference(run.value, back)}"
    run.session.warn(
        CacheWriteWarning,
        f"the result of {call.fname} {what}, format={form!r}{why}; it is stored as a pickle, which is as good for "
        f"later calls. Return what the form can hold, or leave out format=",
        "format",
        call.target.identity,
    )


def _is_same_table(value: Any, back: Any) -> bool:
    """Whether two tables of polars are equal in all but the bits that stand for nothing."""
    is_polars = type(value).__module__.partition(".")[0] == "polars" and type(value) is type(back)
    return is_polars and value.schema == back.schema and bool(value.equals(back))


def _difference(value: Any, back: Any) -> str:
    """In what a value is another one than what was read back, as far as that is told easily."""
    was, now = type(value), type(back)
    if was is not now:
        return f"a {was.__module__}.{was.__qualname__} comes back as a {now.__module__}.{now.__qualname__}"
    return f"what is in this {was.__qualname__} does not come back equal, or not of the same types"
