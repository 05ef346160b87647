"""What one kind of dep says: see `kinds` for all of them."""

from __future__ import annotations

import os

from cachepy.core.model import Dep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cachepy.core.model import Trace
    from cachepy.core.reasons import Reason
    from cachepy.core.world import Here, Watch, World


UNASKED = "unasked: "  # begins the digest of what could not be asked for: none that is stored does


def is_unasked(digest: str | None) -> bool:
    """Whether it says that something could not be asked for."""
    return digest is not None and digest.startswith(UNASKED)


def is_address(text: str) -> bool:
    """Whether a text says where a file is by a protocol, as ``s3://bucket/key``: no path is looked up then."""
    if text[:1] in "/~." or "://" not in text:
        return False
    scheme = text.partition("://")[0]
    return scheme.replace("::", "").replace("+", "").isalnum() and len(scheme) > 1


def is_relative(path: str) -> bool:
    """Whether it means something else from another folder."""
    return not os.path.isabs(path) and not is_address(path)


def reason(
    cue: str, name: str, old: str | None, new: str | None, call: str = "", link: str = "", where: str = ""
) -> Reason:
    """A `Reason`; its module is loaded when somebody asks why."""
    from cachepy.core.reasons import Reason

    return Reason(cue, name, old, new, call, link, where)


class Kind:
    """One kind of dep. A new one says `word` and `now`, which of its traits differ, and how it is watched."""

    word = ""
    traits: tuple[str, ...] = ()  # what its name is, and what a dep of it says: see the sets at the end

    def now(self, name: str, world: World) -> str | None:
        """What it is now, as the digest of a dep says it; None if there is nothing."""
        return None

    def today(self, dep: Dep, place: str, world: World) -> Dep:
        """The dep as a run of now would have it; place: what its name means here."""
        return Dep(self.word, dep.name, self.now(place, world))

    def same(self, name: str, digest: str | None, world: World) -> bool:
        """Whether it is as it was."""
        return self.now(name, world) == digest

    def holds(self, dep: Dep, trace: Trace, world: World) -> bool:
        """The same of a dep of a trace, where others may speak for it."""
        return self.same(dep.name, dep.digest, world)

    def stayed(self, name: str, digest: str | None, world: World) -> bool:
        """Whether it is as it was when the body began, now that it has ended."""
        return self.same(name, digest, world)

    def why(self, dep: Dep, world: World) -> list[Reason]:
        """Why it does not hold."""
        return [reason(self.word, dep.name, dep.digest, self.now(dep.name, world))]

    def things(self, dep: Dep, cwd: str, world: World) -> set[str]:
        """What changed, for a caller that may have changed it; all code counts as one thing."""
        return {os.path.join(cwd, dep.name)}

    def watch(self, dep: Dep, watch: Watch) -> bool:
        """Have the fast path look at it; False if only the long way can tell."""
        return False

    def located(self, cwd: str, name: str) -> str:
        """What it is called wherever one asks, if a call ran in that working directory."""
        return name

    def elsewhere(self, name: str) -> tuple[str, str] | None:
        """The kind and the name by which it is told here, of a caller who ran in another folder; None: as it is."""
        return None

    def title(self, name: str) -> str:
        """What people call it."""
        return name

    def apart(self, dep: Dep, function: str, here: Here) -> tuple[str, tuple[object, ...]] | None:
        """What is said of a process where a function had this dep, if that is another one here, and once for what."""
        return None
