"""What programs that test faults begin with: they tell what ran in a file, or judge by themselves what they heard."""

from __future__ import annotations

from tests.programs import LOG

PRELUDE = LOG + '''
import asyncio, faulthandler, json, multiprocessing, os, random, signal, sys, threading, time, warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cachepy
from cachepy import cache_file, cache_tree_nodes, cache_tree_sync, track_file, with_caller

warnings.simplefilter("ignore", cachepy.CheapCallWarning)  # small bodies
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)  # Python's own, of a fork
HERE = Path(__file__).parent
CACHE = HERE / os.environ.get("CACHE_NAME", "cache")
'''

HEARING = """
import asyncio, glob, os, pathlib, resource, shutil, signal, sys, threading, time, traceback, warnings
import cachepy
from cachepy import (Session, cache_file, cache_tree_nodes, cache_tree_stale, cache_tree_sync, current_session, track_file, use_session)

HERE = os.getcwd()
ROOT = os.path.join(HERE, "cache")
heard = []


def _hear(message, category, filename, lineno, file=None, line=None):
    heard.append((category.__name__, str(message)))


warnings.simplefilter("always", cachepy.CacheWarning)
warnings.simplefilter("ignore", cachepy.CheapCallWarning)  # small bodies
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)  # Python's own, of a fork
warnings.showwarning = _hear


def left(root=ROOT):
    '''Claims and half-written files.'''
    return [n for _, _, names in os.walk(root) for n in names if n.endswith((".claim", ".tmp", ".break"))]


def entries(root=ROOT):
    return sorted(os.path.join(d, n) for d, _, names in os.walk(root) for n in names if n.endswith(".entry"))
"""
