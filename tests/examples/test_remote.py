"""Three machines that share no disk, by a store in the cloud: each result is computed once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "remote.py"


def run(folder, env):
    env = os.environ | env | {"REMOTE_DIR": str(folder), "PYTHONPATH": str(EXAMPLE.parents[1])}
    done = subprocess.run(
        [sys.executable, EXAMPLE, "s3://results/demo"], env=env, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0 and "Warning" not in done.stderr, done.stdout + done.stderr
    return done.stdout


def test_a_job_a_laptop_and_a_cluster(tmp_path, s3):
    printed = run(tmp_path / "one", s3.env)
    nightly, _, rest = printed.partition("laptop:")
    laptop, _, cluster = rest.partition("cluster:")
    assert [nightly.count("loads"), laptop.count("loads"), cluster.count("loads")] == [3, 0, 3]
    assert "the graph has 13 calls" in cluster
    assert all(f"loads station {n}" in cluster for n in (4, 5, 6))
    assert "loads" not in run(tmp_path / "two", s3.env)  # other machines, a day later
