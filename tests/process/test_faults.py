"""A short set of the fault runs; `python -m tests.faults --help` says how to do many."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.process.site import ROOT


def halves(count: int) -> list[tuple[int, int]]:
    """The first seed and the number of runs of each half: every core can take one."""
    first = count // 2
    return [(1, first), (1 + first, count - first)]


def run_faults(seed: int, runs: int, *options: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults", f"--seed={seed}", f"--runs={runs}", *options],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def is_server_installed() -> bool:
    return any(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


@pytest.mark.long
@pytest.mark.parametrize(("seed", "runs"), halves(20))
def test_each_fault_once_on_sqlite(seed, runs):
    assert f"{runs} passed, 0 failed" in run_faults(seed, runs)


@pytest.mark.long
@pytest.mark.skipif(not is_server_installed(), reason="no PostgreSQL server: install postgresql")
@pytest.mark.parametrize(("seed", "runs"), halves(23))
def test_each_fault_once_on_postgresql(seed, runs):
    assert f"{runs} passed, 0 failed" in run_faults(seed, runs, "--database=postgresql")
