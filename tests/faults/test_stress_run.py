"""Everything at once for a while: processes, threads, edits, kills, and whoever looks after the cache meanwhile.

The oracle: each input holds a number that only grows, and a value tells which numbers it was made of.  So each
number has to lie between what the file held before the call and after it: an older one is a stale value.
"""

from __future__ import annotations

import os
import random
import signal
import time

import pytest
from prelude import PRELUDE

from cachepy import cache_prune, cache_verify
from tests.programs import Project

INPUTS = 6

WORK = """
    import warnings
    warnings.simplefilter("ignore")  # inputs that change meanwhile, claims that a prune took
    INPUTS = 6

    def number(k):
        return int((HERE / f"input{k}").read_text())

    @cache_file(CACHE)
    def leaf(k):
        seen = int(track_file(HERE / f"input{k}").read_text())
        return {k: (seen, seen)}

    @cache_file(CACHE)
    def big(k):
        return leaf(k), bytes(200_000)

    @cache_file(CACHE)
    def node(depth, k):
        parts = [big(k)[0]]
        if depth:
            parts += [node(depth - 1, (k * 3 + i) % INPUTS) for i in range(2)]
        return merged(parts)

    @cache_file(CACHE)
    def pooled(depth, k):
        with ThreadPoolExecutor(2) as pool:
            return merged(pool.map(with_caller(one), [(depth, k), (depth, (k + 1) % INPUTS)]))

    def one(asked):
        return node(*asked)

    @cache_file(CACHE)
    async def fetched(depth, k):
        return merged(await asyncio.gather(asyncio.to_thread(node, depth, k), afar(k)))

    @cache_file(CACHE)
    async def afar(k):
        await asyncio.sleep(0)
        return leaf(k)

    @cache_file(CACHE)
    def rounded(k):
        return {k: leaf(k)[k][0] // 1000}  # seldom changes: early cutoff

    @cache_file(CACHE)
    def over(k):
        return rounded(k)

    def merged(parts):
        found = {}
        for part in parts:
            for k, (low, high) in part.items():
                known = found.get(k, (low, high))
                found[k] = min(low, known[0]), max(high, known[1])
        return found

    def ask(chance):
        f = chance.choice([leaf, node, node, pooled, fetched, over, over])
        k, depth = chance.randrange(INPUTS), chance.randrange(4)
        args = (k,) if f in (leaf, over) else (depth, k)
        flags = chance.choice([{}] * 12 + [{"_force": True}, {"_skip_save": True}, {"_load": False}])
        before = [number(i) for i in range(INPUTS)]
        got = asyncio.run(f(*args, **flags)) if f is fetched else f(*args, **flags)
        after = [number(i) for i in range(INPUTS)]
        for i, seen in got.items():
            low, high = (before[i] // 1000, after[i] // 1000) if f is over else (before[i], after[i])
            least, most = (seen, seen) if f is over else seen
            if not low <= least <= most <= high:
                print("WRONG", f.__name__, args, flags, i, seen, "not within", low, high, flush=True)
                os._exit(4)

    IN_CALL = {}

    def watch():
        while True:
            time.sleep(1)
            if any(time.monotonic() - since > 90 for since in list(IN_CALL.values())):
                faulthandler.dump_traceback()
                os._exit(5)

    def thread(seed, end):
        chance = random.Random(seed)
        while time.time() < end:
            IN_CALL[seed] = time.monotonic()
            ask(chance)
            IN_CALL.pop(seed)

    def keeper(seed, end):
        chance = random.Random(seed)
        while time.time() < end:
            IN_CALL[seed] = time.monotonic()
            what = chance.randrange(9)
            if what == 0:
                cachepy.cache_prune(CACHE, chance.choice([0, 0, 1]))
            elif what == 1:
                chance.choice([leaf, node, big, over]).clear()
            elif what == 2:
                cachepy.cache_repair(CACHE)
            elif what == 3:
                cachepy.cache_verify(CACHE)
            elif what == 4:
                cache_tree_sync(CACHE)
                cachepy.cache_tree_stale()
            elif what == 5:
                node.explain(2, chance.randrange(INPUTS))
            elif what == 6:
                cachepy.cache_tree_plan()
            elif what == 7:
                cachepy.cache_list(CACHE), cachepy.cache_info(CACHE)
            else:
                cachepy.cache_prune(CACHE, 30, max_bytes=400_000)
            IN_CALL.pop(seed)
            time.sleep(chance.random() * 0.2)

    if __name__ == "__main__":
        role, seed, threads, end = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
        threading.Thread(target=watch, daemon=True).start()
        with ThreadPoolExecutor(threads) as pool:
            for each in [pool.submit(keeper if role == "keeper" else thread, seed * 100 + t, end) for t in range(threads)]:
                each.result()
        print("good")
    """

AFTERWARDS = """
    from work import INPUTS, fetched, leaf, merged, node, number, over, pooled

    for again in range(2):
        for k in range(INPUTS):
            now = [number(i) for i in range(INPUTS)]
            assert over(k) == {k: now[k] // 1000}
            for depth in range(4):
                for got in (node(depth, k), pooled(depth, k), asyncio.run(fetched(depth, k)), leaf(k)):
                    assert all(seen == (now[i], now[i]) for i, seen in got.items())
    cachepy.cache_repair(CACHE)
    cachepy.cache_tree_reset()
    cache_tree_sync(CACHE)
    nodes = cache_tree_nodes()
    for i, n in nodes.items():
        assert all(c in nodes and i in nodes[c]["parents"] for c in n["children"]), n
    for f, args in [(node, (d, k)) for d in range(4) for k in range(INPUTS)]:
        assert f.is_cached(*args), f.explain(*args)
    print(len(nodes))
    """


def stress(folder, seconds, workers, threads, seed):
    """Returns what was done: edits, kills and restarts."""
    project = Project(folder, PRELUDE)
    chance = random.Random(seed)
    numbers = [1] * INPUTS
    for k in range(INPUTS):
        (folder / f"input{k}").write_text("1")
    project.write("work.py", WORK)
    (folder / "cache").mkdir(mode=0o700)  # who looks after it may be there first
    end = time.time() + seconds
    done = {"edits": 0, "kills": 0}
    with project:
        running = {
            n: project.start("work.py", "keeper" if n == 0 else "worker", n, 1 if n == 0 else threads, end)
            for n in range(workers + 1)
        }
        while time.time() < end:
            time.sleep(chance.random() * 0.15)
            done["edits"] += 1
            k = chance.randrange(INPUTS)
            numbers[k] += chance.choice([1, 1, 1, 700])
            (folder / "next").write_text(str(numbers[k]))
            os.replace(folder / "next", folder / f"input{k}")
            if chance.random() < 0.08 and time.time() < end - 2:
                n = chance.choice(list(running))
                if running[n].poll() is None:
                    running[n].send_signal(signal.SIGKILL)
                    running[n].communicate()
                    done["kills"] += 1
                    running[n] = project.start(
                        "work.py", "keeper" if n == 0 else "worker", n + 10 * done["kills"], 1 if n == 0 else threads, end
                    )
        for process in running.values():
            out = project.finish(process, limit=120).stdout
            assert out == "good\n", out
        project.write("afterwards.py", AFTERWARDS)
        done["nodes"] = int(project.run("afterwards.py", limit=120).silent())
    for path in folder.glob("cache/runs/*"):
        os.utime(path, (1, 1))  # mailboxes of the killed go when they are a day old
    for path in (
        *folder.glob("cache/entries/*/*.tmp"),
        *folder.glob("cache/code/*.tmp"),
        *folder.glob("cache/entries/*/*.break"),
    ):
        os.utime(path, (1, 1))
    cache_prune(folder / "cache")
    assert project.leftovers() == []
    assert cache_verify(folder / "cache").problems == ()
    return done


def test_a_short_random_run(tmp_path):
    assert stress(tmp_path, 8, 2, 3, 1)["edits"] > 10


@pytest.mark.stress
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [2])
def test_two_minutes_at_random(tmp_path, seed):
    done = stress(tmp_path, 120, 4, 4, seed)
    print(done)
    assert done["kills"] > 10
