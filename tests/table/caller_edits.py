"""Edits below calls that nobody saw made: in threads without a caller, behind something that remembers."""

from __future__ import annotations

from tests.table.harness import Case, Edit, module, sub, write

CHILD = """
import asyncio, contextvars, functools, os, queue, threading, time, weakref
import concurrent.futures as cf
import multiprocessing.dummy
import multiprocessing.pool

@cache_file(DIR)
def g(x):
    ran("g")
    return x * 1000 + int(open(track_file("child.txt")).read())

def h(x):
    return x * 1000 + int(open(track_file("child.txt")).read())
"""
CODE, FILE = sub("return x * 1000 + int(open(track_file(\"child.txt\")).read())\n\ndef h => "
                 "return x * 2000 + int(open(track_file(\"child.txt\")).read())\n\ndef h"), write("child.txt", "5")

# how a body has go(x) called in another thread, and what stands above it
IN_A_THREAD = {
    "pool.map": ("", "with cf.ThreadPoolExecutor(2) as pool:\n        out = list(pool.map(go, [x, x + 1]))"),
    "pool.submit": ("", "with cf.ThreadPoolExecutor(2) as pool:\n        out = pool.submit(go, x).result()"),
    "pool of the module": ("POOL = cf.ThreadPoolExecutor(2)\n", "out = list(POOL.map(go, [x, x + 1]))"),
    "busy pool of the module": (
        "POOL = cf.ThreadPoolExecutor(2)\nlist(POOL.map(str, range(9)))\n",
        "out = list(POOL.map(go, [x, x + 1]))",
    ),
    "pool beside a thread": (
        "END = threading.Event()\nthreading.Thread(target=END.wait, daemon=True).start()\n",
        "with cf.ThreadPoolExecutor(2) as pool:\n        out = list(pool.map(go, [x, x + 1]))",
    ),
    "Thread": (
        "",
        "out = []\n    t = threading.Thread(target=lambda: out.append(go(x)))\n    t.start()\n    t.join()",
    ),
    "daemon thread and an event": (
        "",
        ("out, done = [], threading.Event()\n"
        "    threading.Thread(target=lambda: (out.append(go(x)), done.set()), daemon=True).start()\n    done.wait(30)"),
    ),
    "Timer": ("", "out = []\n    t = threading.Timer(0, lambda: out.append(go(x)))\n    t.start()\n    t.join()"),
    "dummy Pool": ("", "with multiprocessing.dummy.Pool(2) as pool:\n        out = pool.map(go, [x, x + 1])"),
    "ThreadPool": ("", "with multiprocessing.pool.ThreadPool(2) as pool:\n        out = pool.map(go, [x, x + 1])"),
    "ThreadPool of the module": (
        "POOL = multiprocessing.pool.ThreadPool(2)\n",
        "out = POOL.map(go, [x, x + 1])",
    ),
    "asyncio.run in a thread": (
        "async def later(x):\n    return go(x)\n\n",
        "with cf.ThreadPoolExecutor(1) as pool:\n        out = pool.submit(lambda: asyncio.run(later(x))).result()",
    ),
    "run_in_executor": (
        "async def main(x):\n    return await asyncio.get_running_loop().run_in_executor(None, go, x)\n\n",
        "out = asyncio.run(main(x))",
    ),
    "another loop": (
        ("LOOP = asyncio.new_event_loop()\nthreading.Thread(target=LOOP.run_forever, daemon=True).start()\n"
        "async def later(x):\n    return go(x)\n\n"),
        "out = asyncio.run_coroutine_threadsafe(later(x), LOOP).result(30)",
    ),
    "queue of a worker": (
        ("JOBS, DONE = queue.SimpleQueue(), queue.SimpleQueue()\n"
        "def work():\n    while True:\n        DONE.put(go(JOBS.get()))\n\n"
        "threading.Thread(target=work, daemon=True).start()\n"),
        "JOBS.put(x)\n    out = DONE.get(timeout=30)",
    ),
    "Queue of a worker": (
        ("JOBS, DONE = queue.Queue(), queue.LifoQueue()\n"
        "def work():\n    while True:\n        DONE.put(go(JOBS.get()))\n\n"
        "threading.Thread(target=work, daemon=True).start()\n"),
        "JOBS.put(x)\n    out = DONE.get(timeout=30)",
    ),
    "queue in an object": (
        ("class Box:\n    def __init__(self):\n        self.jobs, self.done = queue.Queue(), queue.PriorityQueue()\n\nBOX = Box()\n"
        "def work():\n    while True:\n        BOX.done.put(go(BOX.jobs.get()))\n\n"
        "threading.Thread(target=work, daemon=True).start()\n"),
        "BOX.jobs.put(x)\n    out = BOX.done.get(timeout=30)",
    ),
    "queue in a closure": (
        ("def make():\n    jobs, done = queue.Queue(), queue.Queue()\n    def ask(x):\n        jobs.put(x)\n        return done.get(timeout=30)\n    return jobs, done, ask\n\nJOBS, DONE, ask = make()\n"
        "def work():\n    while True:\n        DONE.put(go(JOBS.get()))\n\n"
        "threading.Thread(target=work, daemon=True).start()\n"),
        "out = ask(x)",
    ),
    "deque that is looked into": (
        ("from collections import deque\nJOBS, DONE = deque(), deque()\n"
        "def work():\n    while True:\n        if JOBS:\n            DONE.append(go(JOBS.popleft()))\n        time.sleep(0.001)\n\n"
        "threading.Thread(target=work, daemon=True).start()\n"),
        "JOBS.append(x)\n    while not DONE:\n        time.sleep(0.001)\n    out = DONE.popleft()",
    ),
    "dict that is looked into": (
        ("JOBS, DONE = {}, {}\n"
        "def work():\n    while True:\n        if JOBS:\n            DONE['it'] = go(JOBS.popitem()[1])\n        time.sleep(0.001)\n\n"
        "threading.Thread(target=work, daemon=True).start()\n"),
        "JOBS['it'] = x\n    while not DONE:\n        time.sleep(0.001)\n    out = DONE.popitem()[1]",
    ),
    "attribute that is looked into": (
        ("class Box:\n    def __init__(self):\n        self.job = self.done = None\n\nBOX = Box()\n"
        "def work():\n    while True:\n        if BOX.job is not None:\n            job, BOX.job = BOX.job, None\n            BOX.done = go(job)\n        time.sleep(0.001)\n\n"
        "threading.Thread(target=work, daemon=True).start()\n"),
        "BOX.job = x\n    while BOX.done is None:\n        time.sleep(0.001)\n    out, BOX.done = BOX.done, None",
    ),
    "condition": (
        ("READY, SLOT = threading.Condition(), [None, None]\n"
        "def work():\n    while True:\n        with READY:\n            READY.wait_for(lambda: SLOT[0] is not None)\n            job, SLOT[0] = SLOT[0], None\n        done = go(job)\n        with READY:\n            SLOT[1] = done\n            READY.notify_all()\n\n"
        "threading.Thread(target=work, daemon=True).start()\n"),
        "with READY:\n        SLOT[0] = x\n        READY.notify_all()\n        READY.wait_for(lambda: SLOT[1] is not None, 30)\n        out, SLOT[1] = SLOT[1], None",
    ),
    "semaphore": (
        ("ASKED, DONE, SLOT = threading.Semaphore(0), threading.Semaphore(0), [None, None]\n"
        "def work():\n    while True:\n        ASKED.acquire()\n        SLOT[1], SLOT[0] = go(SLOT[0]), None\n        DONE.release()\n\n"
        "threading.Thread(target=work, daemon=True).start()\n"),
        "SLOT[0] = x\n    ASKED.release()\n    DONE.acquire(timeout=30)\n    out, SLOT[1] = SLOT[1], None",
    ),
    "barrier": (
        ("MEET, SLOT = threading.Barrier(2), [None, None]\n"
        "def work():\n    while True:\n        MEET.wait()\n        SLOT[1], SLOT[0] = go(SLOT[0]), None\n        MEET.wait()\n\n"
        "threading.Thread(target=work, daemon=True).start()\n"),
        "SLOT[0] = x\n    MEET.wait(30)\n    MEET.wait(30)\n    out, SLOT[1] = SLOT[1], None",
    ),
    "pipe": (
        ("ASKS, ASKED = os.pipe()\nSAYS, SAID = os.pipe()\n"
        "def work():\n    while True:\n        os.write(SAID, str(go(int(os.read(ASKS, 20)))).encode())\n\n"
        "threading.Thread(target=work, daemon=True).start()\n"),
        "os.write(ASKED, str(x).encode())\n    out = int(os.read(SAYS, 20))",
    ),
    "socket": (
        ("import socket\nHERE_, THERE = socket.socketpair()\n"
        "def work():\n    while True:\n        THERE.sendall(str(go(int(THERE.recv(20)))).encode())\n\n"
        "threading.Thread(target=work, daemon=True).start()\n"),
        "HERE_.sendall(str(x).encode())\n    out = int(HERE_.recv(20))",
    ),
    "an empty context": ("", "out = contextvars.Context().run(go, x)"),
    "pool in a pool": (
        "def twice(x):\n    with cf.ThreadPoolExecutor(1) as pool:\n        return pool.submit(go, x).result()\n\n",
        "with cf.ThreadPoolExecutor(1) as pool:\n        out = pool.submit(twice, x).result()",
    ),
    "_thread": (
        "import _thread\n\n",
        ("out, done = [], _thread.allocate_lock()\n    done.acquire()\n"
        "    _thread.start_new_thread(lambda: (out.append(go(x)), done.release()), ())\n    done.acquire(timeout=30)"),
    ),
}
_OPTIONS = ', ignore_globals=["POOL", "JOBS", "DONE", "LOOP", "MEMO"]'


def body(name: str, statements: str) -> str:
    return f"""
@cache_file(DIR{_OPTIONS})
def {name}(x):
    ran("{name}")
    {statements}
    return [out, "{name}"]
"""


def threads() -> list[Case]:
    cases = []
    for way, (above, inside) in IN_A_THREAD.items():
        for child, edit, what in (("g", CODE, "code"), ("g", FILE, "file"), ("h", FILE, "track_file")):
            source = module(CHILD + f"\ngo = {child}\n" + above, body("f", inside))
            below = ["g"] * (2 if "x + 1" in inside else 1) if child == "g" else []
            cases.append(case(f"unseen in a thread by {way}: {what}", source, edit, " ".join(["f", *below])))
    return cases


# what remembers go(x) as get(x)
MEMOS = {
    "lru_cache": "@functools.lru_cache\ndef get(x):\n    return go(x)\n",
    "lru_cache around the function": "get = functools.lru_cache(maxsize=9)(go)\n",
    "cache through a helper": "@functools.cache\ndef deep(x):\n    return go(x)\n\ndef get(x):\n    return deep(x)\n",
    "lru_cache in a table": "@functools.cache\ndef deep(x):\n    return go(x)\n\nBY = {'a': deep}\n"
    "def get(x):\n    return BY['a'](x)\n",
    "cached_property": "class Box:\n    def __getstate__(self):\n        return {}\n    @functools.cached_property\n"
    "    def data(self):\n        return go(3)\n\nBOX = Box()\ndef get(x):\n    return BOX.data\n",
    "dict": "MEMO = {}\ndef get(x):\n    if x not in MEMO:\n        MEMO[x] = go(x)\n    return MEMO[x]\n",
    "global filled at first use": "MEMO = None\ndef get(x):\n    global MEMO\n    if MEMO is None:\n        MEMO = [go(x)]\n"
    "    return MEMO[0]\n",
    "list with one value": "MEMO = []\ndef get(x):\n    if not MEMO:\n        MEMO.append(go(x))\n    return MEMO[0]\n",
    "thread-local": "MEMO = threading.local()\ndef get(x):\n    if not hasattr(MEMO, 'v'):\n        MEMO.v = go(x)\n"
    "    return MEMO.v\n",
    "object that hides its state": "class Box:\n    def __init__(self):\n        self.lock = threading.Lock()\n"
    "        self.memo = {}\n    def get(self, x):\n        if x not in self.memo:\n            self.memo[x] = go(x)\n"
    "        return self.memo[x]\n\nMEMO = Box()\ndef get(x):\n    return MEMO.get(x)\n",
    "function of a class": "class Box:\n    @staticmethod\n    @functools.lru_cache\n    def get(x):\n        return go(x)\n\n"
    "def get(x):\n    return Box.get(x)\n",
}


def memos() -> list[Case]:
    cases = []
    for way, above in MEMOS.items():
        for child, edit, what in (("g", CODE, "code"), ("g", FILE, "file"), ("h", FILE, "track_file")):
            source = module(CHILD + f"\ngo = {child}\n" + above, body("e", "out = get(x)"), body("f", "out = get(x)"))
            runs = "e f g" if child == "g" else "e f"
            cases.append(case(f"unseen behind {way}: {what}", source, edit, runs, "[m.e(3), m.f(3)]"))
    return cases


def case(name: str, source: str, edit: Edit, runs: str, call: str = "m.f(3)") -> Case:
    return Case(name, {"m.py": source, "child.txt": "4"}, edit, runs, call)


CASES = threads() + memos()
