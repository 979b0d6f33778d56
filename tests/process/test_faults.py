"""A short set of the fault runs; `python -m tests.faults --help` says how to do many."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.process.site import ROOT

SEED = 1


def run_faults(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults", f"--seed={SEED}", *arguments],
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


def test_each_fault_once_on_sqlite():
    assert "13 passed, 0 failed" in run_faults("--runs=13")


@pytest.mark.skipif(not is_server_installed(), reason="no PostgreSQL server: install postgresql")
def test_each_fault_once_on_postgresql():
    assert "15 passed, 0 failed" in run_faults("--runs=15", "--database=postgresql")
