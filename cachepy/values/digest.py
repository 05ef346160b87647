"""Digests of values: equal values have equal digests, in every process.

Few numbers and texts (see `flat`) are written at once.  All others go through the C pickler (see `pickler`), which is
loaded when there is a value for it: it costs a short program as much as the rest of a hit.  The stream is never loaded
again: it only has to be canonical.
"""

from __future__ import annotations

from xxhash import xxh3_128_hexdigest

from cachepy.values.flat import COMPOSED, flat_stream, short_stream
from cachepy.values.modules import STDLIB, Origins
from cachepy.values.references import References, digest_bytes, env_digest, form, is_cache, module_of, name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cachepy.values.pickler import Writer
    from cachepy.values.writing import Rule

__all__ = ["Digester", "References", "digest_bytes", "env_digest", "flat_stream", "form", "is_cache", "name_of"]


class Digester:
    """Digests values with the rules of one session.

    Parameters
    ----------
    origins : Origins
        Tells user code from packages.
    code_of : callable
        ``code_of(function_or_class) -> str | None``: the digest of code that has no name by which
        another process could find it (lambdas, local functions), None for code that has, and the
        empty text for what need not be followed (cached functions).
    own : dict, optional
        By types, functions that say what stands for their objects.
    place : callable, optional
        Under which module and name the user's code counts, if not under its own: for what was renamed.

    Examples
    --------
    >>> d = Digester(Origins(), lambda obj: None)
    >>> d.digest({1, 2, 3}) == d.digest({3, 2, 1})
    True
    >>> d.digest(1) == d.digest(True)
    False
    """

    def __init__(
        self,
        origins: Origins,
        code_of: Callable[[Any], str | None],
        own: dict[type, Any] | None = None,
        place: Callable[[str, str], tuple[str, str]] | None = None,
    ) -> None:
        self.origins = origins
        self.code_of = code_of
        self.own = own
        self.place = place
        self.rules: dict[type, tuple[Rule | None, str | None, bool]] = {}
        self.proven: set[type] = set()  # classes whose instances came back from storage as they were
        self.kept: dict[int, tuple[Any, ...]] = {}  # what rules remember of objects that are long to read
        self._writer: Writer | None = None

    def digest(self, value: object, found: References | None = None) -> str:
        """The digest of any value; UndigestableError if it has none."""
        return xxh3_128_hexdigest(short_stream(value) or self.composed(value, found or References()))

    def composed(self, value: object, found: References) -> bytes:
        """The bytes that a digest is of: the same whether parts are there or only `Known`."""
        if type(value) not in COMPOSED or found.unseen is not None:
            return self.stream(value, found)
        from cachepy.values.composed import Composer

        return Composer(value, self, found).stream()

    def stream(self, value: object, found: References | None = None) -> bytes:
        """The canonical bytes of a value; with the `found` of an earlier pass nothing large is read again."""
        return flat_stream(value) or self.writer.stream(value, found or References())

    def digest_of_parts(self, value: object, found: References) -> str:
        """The digest of a value that had to be taken apart, if it still has to."""
        return xxh3_128_hexdigest(self.writer.by_parts(value, found))

    def is_too_deep(self, value: object) -> bool:
        """Whether pickling would overflow the stack: a program may have raised the limit that Python keeps."""
        return self.writer.is_too_deep(value)

    @property
    def writer(self) -> Writer:
        """Writes what is not flat."""
        writer = self._writer
        if writer is None:
            from cachepy.values.pickler import Writer

            writer = self._writer = Writer(self)
        return writer

    def rule_for(self, cls: type) -> tuple[Rule | None, str | None, bool]:
        """The rule for instances of a class (None: as pickle does it), its package, and whether they may be altered.

        That is: a stored one may come back with another digest, as what pickle makes of it is the class's own affair.
        """
        try:
            return self.rules[cls]
        except KeyError:
            from cachepy.values.registry import find_rule, may_alter  # numbers and texts need no rule

            rule = find_rule(cls, self.kind_of, self.own)
            found = self.rules[cls] = rule, self.origins.package(cls), may_alter(cls, self.kind_of)
            return found

    def kind_of(self, cls: type) -> str:
        """Whose a class is; those that C code makes for itself are from no module."""
        return STDLIB if module_of(cls) == "builtins" else self.origins.of_class(cls)
