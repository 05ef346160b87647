"""Whether whoever runs a call goes on: `liveness`."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from cachepy.calls.liveness import _processor, of_thread

needs_kernel = pytest.mark.skipif(not os.path.exists("/proc/self/schedstat"), reason="this system does not tell")


def works(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(1000))


@needs_kernel
def test_the_processor_time_of_a_thread_grows_while_it_works():
    with ThreadPoolExecutor(1) as pool:
        ident = pool.submit(threading.get_ident).result()
        before = _processor(ident)
        pool.submit(works, 0.05).result()
        after = _processor(ident)
    assert after - before >= 0.04


@needs_kernel
def test_the_first_thread_of_a_forked_child_has_one_too():
    child = os.fork()
    if child == 0:
        works(0.02)
        os._exit(0 if (_processor(threading.get_ident()) or 0) > 0 else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_a_thread_that_ends_while_it_is_looked_at_harms_nothing():
    """Its memory is gone then: who reads it is killed."""
    ends, failed = threading.Event(), []

    def look():
        while not ends.is_set():
            for ident in list(threading._active):
                try:
                    of_thread(ident, ())
                except Exception as error:
                    failed.append(error)

    watcher = threading.Thread(target=look)
    watcher.start()
    for _ in range(300):
        some = [threading.Thread(target=str) for _ in range(5)]
        for each in some:
            each.start()
        for each in some:
            each.join()
    ends.set()
    watcher.join()
    assert not failed
    gone = threading.Thread(target=str)
    gone.start()
    gone.join()
    assert _processor(gone.ident) is None
    assert of_thread(gone.ident, ()) is None
