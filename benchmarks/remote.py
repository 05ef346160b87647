"""What a remote cache costs: requests, bytes and time, with a server that takes its time.

    python benchmarks/remote.py            # 0, 20 and 100 ms for each request
    python benchmarks/remote.py --quick

Forty calls with bodies of 20 ms and results of 8 kB, below one that takes them all; each row is a process of its own.
`plain` runs the bodies, `joblib` is joblib.Memory with a backend on fsspec, as its documentation shows how to write
one. The server is S3 by moto on this machine, behind a proxy that counts, and waits. A whole minute for each latency.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

CALLS, BODY, NUMBERS = 40, 0.02, 1000
ROWS = (
    ("plain", "plain", ""),
    ("cachepy, nothing there", "cachepy", "new"),
    ("cachepy, sent in the background", "background", "new"),
    ("cachepy, all is far", "cachepy", "far"),
    ("cachepy, all is near", "cachepy", "near"),
    ("joblib, nothing there", "joblib", "new"),
    ("joblib, all is far", "joblib", "far"),
)


def work(cached):
    """The calls of one program."""

    @cached
    def part(number):
        time.sleep(BODY)
        return [number + i / 7 for i in range(NUMBERS)]

    @cached
    def total(count):
        return sum(sum(part(number)) for number in range(count))

    return total(CALLS)


def cachepy_of(near, upload):
    from cachepy import cache_file

    return cache_file(near, remote="s3://results/bench", trust_remote=True, warn_cheap=False, upload=upload)


def joblib_of(_):
    """Memory on objects: a backend of a few lines."""
    import fsspec
    from joblib import Memory, register_store_backend
    from joblib._store_backends import StoreBackendBase, StoreBackendMixin

    class Objects(StoreBackendBase, StoreBackendMixin):
        def configure(self, location, verbose=0, backend_options=None):
            self.fs, self.location = fsspec.filesystem("s3", use_listings_cache=False), "results/joblib"
            self.compress, self.mmap_mode, self.verbose = False, None, verbose

        def _open_item(self, path, mode):
            return self.fs.open(path, mode)

        def _item_exists(self, path):
            return self.fs.exists(path)

        def _move_item(self, old, new):
            self.fs.mv(old, new)

        def create_location(self, location):
            pass  # names need no folders

        def clear_location(self, location):
            self.fs.rm(location, recursive=True)

        def get_items(self):
            return []

    register_store_backend("objects", Objects)
    return Memory("results/joblib", backend="objects", verbose=0).cache


def one(tool, near):
    """One program, in this process: its time."""
    tools = {"plain": lambda _: lambda fn: fn, "joblib": joblib_of}
    tools |= {
        "cachepy": lambda near: cachepy_of(near, "now"),
        "background": lambda near: cachepy_of(near, "background"),
    }
    cached = tools[tool](near)
    began = time.perf_counter()
    work(cached)
    if tool == "background":
        from cachepy import current_session

        current_session().stores.flush()
    print(time.perf_counter() - began)


def measure(proxy, tool, near):
    """The time of one run, its requests, and what it read."""
    command = [sys.executable, __file__, "--one", tool, "--near", near]
    printed = subprocess.run(command, env=os.environ | proxy.env, capture_output=True, text=True, check=False)
    if printed.returncode:
        raise SystemExit(printed.stderr)
    return float(printed.stdout), len(proxy.asked), proxy.bytes


@click.command()
@click.option("--quick", is_flag=True, help="Two latencies, once.")
@click.option("--one", "tool", hidden=True)
@click.option("--near", hidden=True)
def main(*, quick, tool, near):
    """Measure all rows, and print them."""
    from tests.remotes import S3, Proxy  # from the folder above

    if tool:
        one(tool, near)
        return
    server = S3()
    print(f"{'':34}{'latency':>9}{'requests':>10}{'read kB':>9}{'seconds':>9}")
    for latency in (0.0, 0.1) if quick else (0.0, 0.02, 0.1):
        place = Path(tempfile.mkdtemp())
        for name, kind, state in ROWS:
            if state == "new":
                server.reset()
            if state in ("new", "far"):
                shutil.rmtree(place / kind, ignore_errors=True)
            proxy = Proxy(server.port)
            proxy.delay = latency
            seconds, requests, size = measure(proxy, kind, str(place / kind))
            proxy.close()
            print(f"{name:34}{1000 * latency:>6.0f} ms{requests:>10,}{size / 1000:>9,.0f}{seconds:>9.2f}", flush=True)
        shutil.rmtree(place)
    server.close()


if __name__ == "__main__":
    main()
