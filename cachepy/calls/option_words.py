"""What is said of an option that does not exist: the words of other tools for the same thing, and near misses."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_DIGEST = "is `digest=` here, a function for each parameter or type; `ignore_args=` leaves a parameter out"
_AGE = "is `max_age=` here, as in `max_age='7d'`"
_FORM = "is `format=` here, as in `format='parquet'`"
_REMOTE = "is `remote=` here, for results that lie elsewhere too, as in `remote='s3://bucket/prefix'`"
_STORED = "is not needed here: results are always stored, as files below `cache_dir=`"
WORDS: Mapping[str, Mapping[str, str]] = {  # tool -> its word -> what is said of it, behind the word
    "joblib": {
        "backend": _REMOTE,
        "backend_options": _REMOTE,
        "bytes_limit": "is `max_bytes=` here",
        "cache_validation_callback": f"{_AGE}, or `valid=`; files, code and globals are checked by themselves",
        "ignore": "is `ignore_args=` here",
        "location": "is `cache_dir=` here",
        "mmap_mode": "is not needed here: large arrays are mapped",
    },
    "cachier": {
        "allow_none": "is not needed here: None is stored as any result",
        "caching_enabled": "is `mode='off'` here, or for a whole program the environment variable `CACHEPY=off`",
        "cleanup_interval": "is not needed here: `keep=` and `max_bytes=` hold it small, and `cachepy prune`",
        "cleanup_stale": "is not needed here: `keep=` and `max_bytes=` hold it small, and `cachepy prune`",
        "entry_size_limit": "is `max_bytes=` here, for all results together",
        "hash_func": _DIGEST,
        "hash_params": _DIGEST,
        "mongetter": _STORED,
        "next_time": "has no counterpart: the call runs when its result is stale. See also `on_error='stale'`",
        "pickle_reload": "is not needed here: each entry is read again when it changed",
        "redis_client": _STORED,
        "separate_files": _STORED,
        "sql_engine": _STORED,
        "stale_after": _AGE,
        "wait_for_calc_timeout": "is not needed here: a call waits for the process that runs it, as long as that lives",
    },
    "prefect": {
        "cache_expiration": _AGE,
        "cache_key_fn": _DIGEST,
        "cache_policy": "is `ignore_args=`, `env_vars=` and `version=` here",
        "cache_result_in_memory": "is not needed here: repeated hits are fast",
        "persist_result": _STORED,
        "refresh_cache": "is `f(x, _force=True)` here for a call, and `mode='refresh'` for all",
        "result_serializer": _FORM,
        "result_storage": "is `cache_dir=` here",
        "result_storage_key": _STORED,
    },
    "functools": {
        "maxsize": "is `max_bytes=` here, for all results together, or `keep=`, for those of one call",
        "typed": "is not needed here: 1 and 1.0 are always two calls",
    },
}


def told(name: str, known: Iterable[str]) -> str:
    """What is said of a word that is no option: what it is called here, or what may be meant; empty if neither.

    >>> told("ignore", ["verbose"]), told("verbos", ["verbose"]), told("xyz", ["verbose"])
    ('`ignore=` is `ignore_args=` here', 'did you mean `verbose=`?', '')
    """
    for words in WORDS.values():
        if name in words:
            return f"`{name}=` {words[name]}"
    from difflib import get_close_matches

    near = get_close_matches(name, list(known), n=1)
    return f"did you mean `{near[0]}=`?" if near else ""
