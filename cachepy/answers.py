"""Answers of ``cache_tree_*`` that show themselves: dicts for programs, tables for people who look at them.

Loaded from a pickle they are what they were, so that a stored one is the same argument as a fresh one.
"""

from __future__ import annotations

from cachepy.core import lazyparts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    _Base = dict[str, Any]
else:
    _Base = dict


class Answer(_Base):
    """A dict that a notebook shows as a table, and a prompt in a few lines."""

    __slots__ = ()

    def __repr__(self) -> str:
        text: str = lazyparts.get("answer", self)
        return text

    def _repr_html_(self) -> str:
        html: str = lazyparts.get("answer_html", self)
        return html

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}


class StaleCalls(Answer):
    """Of `cache_tree_stale`."""

    __slots__ = ()


class ChangedCalls(Answer):
    """Of `cache_tree_changed_files`."""

    __slots__ = ()


class Calls(Answer):
    """Of `cache_tree_nodes` and `cache_tree_for_file`."""

    __slots__ = ()


class Files(Answer):
    """Of `cache_tree_files`."""

    __slots__ = ()


class Summary(Answer):
    """Of `cache_tree_summary`."""

    __slots__ = ()
