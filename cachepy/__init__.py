"""cachepy: cached calls that know what they depended on, and the graph of them.

>>> from cachepy import cache_file

Names are loaded when they are first used: importing cachepy costs next to nothing.
"""

from __future__ import annotations

import sys

from cachepy.core import lazyparts

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cachepy.calls.acceptance import Accepted
    from cachepy.calls.config import load_config
    from cachepy.calls.context import with_caller
    from cachepy.calls.digest_options import register_digest
    from cachepy.calls.happened import CacheInfo, Called, CallSummary, summary
    from cachepy.calls.listeners import on_call
    from cachepy.calls.options import cache_default_dir
    from cachepy.calls.own_tests import StoredResult
    from cachepy.calls.progress_line import progress
    from cachepy.calls.state import current_session, use_session
    from cachepy.calls.switch import using
    from cachepy.calls.track import track_file
    from cachepy.core.reasons import Reason, Verdict
    from cachepy.decorator import cache_file
    from cachepy.errors import (
        AlteredResultWarning,
        CachepyError,
        CacheReadWarning,
        CacheWarning,
        CacheWriteWarning,
        CallbackWarning,
        ChangedArgumentWarning,
        ChangedGlobalWarning,
        ChangedInputWarning,
        CheapCallWarning,
        GraphFileError,
        MissingResultError,
        NeverReusedWarning,
        OpaqueGlobalWarning,
        RewrittenFileWarning,
        StaleResultWarning,
        StuckCallWarning,
        UncachedCallWarning,
        UnseenInputError,
        UnseenInputWarning,
        UsageError,
        UsageValueError,
    )
    from cachepy.maintain.check import Checked, Problem, cache_verify
    from cachepy.maintain.prune import cache_info, cache_list, cache_prune, cache_stats
    from cachepy.maintain.quarantine import Moved
    from cachepy.maintain.repair import Repaired, cache_repair
    from cachepy.maintain.rerun import Differing, Unable
    from cachepy.maintain.transfer import Merged, cache_merge
    from cachepy.session import Session
    from cachepy.staleness.accept import cache_tree_accept
    from cachepy.staleness.api import (
        cache_tree_changed_files,
        cache_tree_files,
        cache_tree_for_file,
        cache_tree_load,
        cache_tree_nodes,
        cache_tree_reset,
        cache_tree_save,
        cache_tree_summary,
        cache_tree_sync,
    )
    from cachepy.staleness.diff import Difference, cache_tree_diff
    from cachepy.staleness.plan import Plan, PlannedCall, cache_tree_plan
    from cachepy.staleness.refresh import Refreshed, cache_tree_refresh
    from cachepy.staleness.run_diff import RootCause
    from cachepy.staleness.survey import cache_tree_stale
    from cachepy.views.page import cache_tree_to_html
    from cachepy.views.show import (
        cache_tree_to_dot,
        cache_tree_to_json,
        cache_tree_to_mermaid,
        cache_tree_to_networkx,
        cache_tree_to_prov,
        cache_tree_to_rocrate,
        plot_cache_graph,
    )
    from cachepy.views.view import GraphView, NodeView, cache_tree_view

_HOMES = {
    "staleness.api": "cache_tree_changed_files cache_tree_files cache_tree_for_file cache_tree_load cache_tree_nodes "
    "cache_tree_reset cache_tree_save cache_tree_summary cache_tree_sync",
    "calls.context": "with_caller",
    "maintain.quarantine": "Moved",
    "maintain.check": "Checked Problem cache_verify",
    "calls.acceptance": "Accepted",
    "calls.config": "load_config",
    "calls.digest_options": "register_digest",
    "calls.track": "track_file",
    "decorator": "cache_file",
    "calls.happened": "CacheInfo CallSummary Called summary",
    "calls.listeners": "on_call",
    "calls.own_tests": "StoredResult",
    "calls.progress_line": "progress",
    "errors": "AlteredResultWarning CachepyError CacheReadWarning CacheWarning CacheWriteWarning "
    "CallbackWarning "
    "ChangedArgumentWarning ChangedGlobalWarning ChangedInputWarning CheapCallWarning GraphFileError "
    "MissingResultError NeverReusedWarning OpaqueGlobalWarning RewrittenFileWarning StaleResultWarning "
    "StuckCallWarning "
    "UncachedCallWarning UnseenInputError UnseenInputWarning UsageError UsageValueError",
    "maintain.transfer": "Merged cache_merge",
    "maintain.prune": "cache_info cache_list cache_prune cache_stats",
    "core.reasons": "Reason Verdict",
    "calls.options": "cache_default_dir",
    "views.page": "cache_tree_to_html",
    "staleness.accept": "cache_tree_accept",
    "staleness.diff": "Difference cache_tree_diff",
    "staleness.run_diff": "RootCause",
    "staleness.plan": "Plan PlannedCall cache_tree_plan",
    "staleness.refresh": "Refreshed cache_tree_refresh",
    "maintain.repair": "Repaired cache_repair",
    "views.show": "cache_tree_to_dot cache_tree_to_json cache_tree_to_mermaid cache_tree_to_networkx "
    "cache_tree_to_prov cache_tree_to_rocrate plot_cache_graph",
    "staleness.survey": "cache_tree_stale",
    "calls.state": "current_session use_session",
    "calls.switch": "using",
    "session": "Session",
    "maintain.rerun": "Differing Unable",
    "views.view": "GraphView NodeView cache_tree_view",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [  # noqa: RUF022 - in the order and the words of the pages in docs/reference/api
    # Cache
    "cache_file",
    "track_file",
    "register_digest",
    "with_caller",
    "on_call",
    "summary",
    "progress",
    "load_config",
    "cache_default_dir",
    "Session",
    "current_session",
    "use_session",
    "using",
    # Graph
    "cache_tree_nodes",
    "cache_tree_sync",
    "cache_tree_save",
    "cache_tree_load",
    "cache_tree_reset",
    "cache_tree_for_file",
    "cache_tree_files",
    "cache_tree_summary",
    # Staleness
    "cache_tree_changed_files",
    "cache_tree_stale",
    "cache_tree_diff",
    "cache_tree_plan",
    "cache_tree_refresh",
    "cache_tree_accept",
    # Export and views
    "plot_cache_graph",
    "cache_tree_view",
    "cache_tree_to_html",
    "cache_tree_to_json",
    "cache_tree_to_dot",
    "cache_tree_to_mermaid",
    "cache_tree_to_networkx",
    "cache_tree_to_prov",
    "cache_tree_to_rocrate",
    # Maintain
    "cache_info",
    "cache_list",
    "cache_stats",
    "cache_prune",
    "cache_verify",
    "cache_repair",
    "cache_merge",
    # Results and warnings
    "Verdict",
    "Reason",
    "Called",
    "StoredResult",
    "CacheInfo",
    "CallSummary",
    "Difference",
    "RootCause",
    "Plan",
    "PlannedCall",
    "Refreshed",
    "Accepted",
    "GraphView",
    "NodeView",
    "Checked",
    "Problem",
    "Unable",
    "Differing",
    "Repaired",
    "Moved",
    "Merged",
    "CacheWarning",
    "CacheReadWarning",
    "CacheWriteWarning",
    "UncachedCallWarning",
    "ChangedInputWarning",
    "ChangedGlobalWarning",
    "ChangedArgumentWarning",
    "OpaqueGlobalWarning",
    "RewrittenFileWarning",
    "UnseenInputWarning",
    "AlteredResultWarning",
    "CheapCallWarning",
    "NeverReusedWarning",
    "StuckCallWarning",
    "CallbackWarning",
    "StaleResultWarning",
    "CachepyError",
    "UsageError",
    "UsageValueError",
    "GraphFileError",
    "MissingResultError",
    "UnseenInputError",
]


lazyparts.give(
    version=lambda: __version__,
    session=lazyparts.later("session", "Session"),
    end=lazyparts.later("calls.program_end", "end"),
    cells=lazyparts.later("calls.program_end", "watch_cells"),
    record=lazyparts.later("views.notebook", "bundle_of"),
    answer=lazyparts.later("views.tabled", "text_of"),
    answer_html=lazyparts.later("views.tabled", "html_of"),
    function=lazyparts.later("views.tabled", "function_bundle"),
)


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'cachepy' has no attribute {name!r}")
    found: object = getattr(__import__(f"cachepy.{home}", fromlist=[name]), name)  # importlib takes longer than a hit
    if "cachepy.calls.state" in sys.modules:  # what uses a session has it at once: later its file may be out of reach
        __import__("cachepy.session")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
