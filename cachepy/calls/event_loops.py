"""Waiting in whatever event loop runs: asyncio's own, trio's, curio's.

A loop that is not known cannot be waited in: blocking it would stop the very call that is waited for.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


async def sleep(seconds: float) -> bool:
    """Let others run meanwhile; False if that cannot be done here.

    Whoever is here waits for a claim: see `liveness`.
    """
    module = _running()
    if module is None:
        return False
    await module.sleep(seconds)
    return True


async def in_thread(function: Callable[..., bool], *args: Any) -> bool:
    """The answer of a function that may take long, in a thread where the loop has some."""
    module = _running()
    if module is None:
        return function(*args)
    if module.__name__ == "asyncio":
        return await module.to_thread(function, *args)  # type: ignore[no-any-return]  # a module as a value
    run = module.to_thread.run_sync if module.__name__ == "trio" else module.run_in_thread
    return await run(function, *args)  # type: ignore[no-any-return]  # likewise


def _running() -> Any:
    """The library whose loop runs in this thread: nobody can run one that is not imported."""
    asyncio, trio, curio = (sys.modules.get(name) for name in ("asyncio", "trio", "curio"))
    if asyncio is not None and asyncio._get_running_loop() is not None:
        return asyncio
    if trio is not None and trio.lowlevel.in_trio_run():
        return trio
    if curio is not None and curio.meta.curio_running():
        return curio
    return None
