"""Draw N stories of `test_asking.py` from a seed and print how they fail: ``python tests/properties/asking_draw.py N SEED``.

Each failure is written whole to ``asking-SEED-K.txt`` in the folder that a third argument names.  More arguments narrow
the stories down: ``layout=flat``, ``guarded=True``, ``forms=--import`` (and ``forms=`` for the usual form alone); ``root=DIR`` takes the cachepy that lies there;
``past=REGEX`` only counts failures that match, and goes on.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import asking_story
from asking_plans import plans
from asking_story import Servers, Story
from hypothesis import HealthCheck, Phase, given, seed, settings


def main() -> None:
    number, start = int(sys.argv[1]), int(sys.argv[2])
    out = Path(sys.argv[3]) if len(sys.argv) > 3 else None
    given_only = dict(word.split("=", 1) for word in sys.argv[4:])
    if "forms" in given_only:
        Story.forms = tuple(given_only.pop("forms").split(","))
    asking_story.ROOT = given_only.pop("root", asking_story.ROOT)
    past = re.compile(given_only.pop("past", "(?!)"), re.DOTALL)
    only = {name: value == "True" if value in ("True", "False") else value for name, value in given_only.items()}
    servers = Servers()
    heads: Counter[str] = Counter()
    passed: Counter[str] = Counter()
    count, began = 0, time.monotonic()

    class Going(Story):
        def fail(self, why: str) -> None:
            if not past.search(why):
                super().fail(why)
            passed[why.partition("\n")[0][:50]] += 1

    @seed(start)
    @settings(max_examples=number, deadline=None, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))
    @given(plans())
    def draw(plan: dict[str, Any]) -> None:
        nonlocal count
        count += 1
        plan["project"] = replace(plan["project"], **only)
        with tempfile.TemporaryDirectory() as place:
            try:
                Going(plan, Path(place), servers).run()
            except AssertionError as error:
                text = str(error)
                head = text.rpartition("# ---- failure\n")[2]
                heads[head.partition("\n")[0][:50]] += 1
                print(f"{count}: {head[:300]}", flush=True)
                if out is not None:
                    (out / f"asking-{start}-{count}.txt").write_text(text)

    draw()
    servers.close()
    print(f"{count} stories, {heads.total()} failures, {time.monotonic() - began:.0f} s")
    print(*(f"{n:5}  {head}" for head, n in heads.most_common()), sep="\n")
    print("gone past:", dict(passed))
    print("exit codes of status:", dict(servers.asked.most_common()))
    print("warnings of the runs:", dict(servers.warnings))


if __name__ == "__main__":
    main()
