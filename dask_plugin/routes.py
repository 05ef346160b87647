"""Pages and metrics of ours on the HTTP server of a scheduler or a worker, before Dask's own; `close` takes them out.

Plain tornado: bokeh and prometheus_client may be missing.  Dask's `/metrics` answers first, ours follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from inspect import isawaitable
from typing import Any

from tornado.routing import PathMatches
from tornado.web import RequestHandler

Route = tuple[str, type[RequestHandler], dict[str, Any]]  # pattern without the prefix, handler, its options


class Routes:
    """What was added to a server, whose paths may have a prefix."""

    def __init__(self, server: Any, own: Iterable[Route]) -> None:
        self._router = server.http_application.default_router
        before = list(self._router.rules)
        prefix = prefix_of(server)
        server.http_application.add_handlers(r".*$", [(prefix + pattern, *rest) for pattern, *rest in own])
        self._rules = [rule for rule in self._router.rules if rule not in before]

    def close(self) -> None:
        self._router.rules[:] = [rule for rule in self._router.rules if rule not in self._rules]


def rule_of(server: Any, path: str) -> Any:
    """The rule by which a server answers a path of Dask's."""
    for rule in server.http_application.wildcard_router.rules:
        if isinstance(rule.matcher, PathMatches) and rule.matcher.regex.pattern.endswith(f"{path}$"):
            return rule
    return None


def prefix_of(server: Any) -> str:
    """What stands before all its paths."""
    rule = rule_of(server, "/metrics")
    return "" if rule is None else str(rule.matcher.regex.pattern.removesuffix("/metrics$"))


def metrics_route(server: Any, exposition: Callable[[], str]) -> Route:
    """The server's own metrics, followed by ours."""
    theirs = rule_of(server, "/metrics")
    base: type[RequestHandler] = RequestHandler if theirs is None else theirs.target

    class Metrics(base):  # type: ignore[misc, valid-type]  # a class that is found at run time
        async def get(self) -> None:
            if base is not RequestHandler:
                answer = super().get()
                if isawaitable(answer):
                    await answer
            self.set_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.write("\n" + exposition())

    return "/metrics", Metrics, {} if theirs is None else dict(theirs.target_kwargs)


def plots_route(server: Any, own: dict[str, str]) -> Route | None:
    """The list of plots that JupyterLab's extension offers, with ours; None if there is no such list."""
    path = "/individual-plots.json"
    theirs = rule_of(server, path)
    if theirs is None:
        return None

    class Plots(theirs.target):  # type: ignore[misc, name-defined]  # a class that is found at run time
        def write(self, chunk: Any) -> None:
            super().write({**chunk, **own} if isinstance(chunk, dict) else chunk)

    return path, Plots, dict(theirs.target_kwargs)
