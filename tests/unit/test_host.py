"""Whether a process that was noted down still lives, as far as this host can tell."""

import os

import pytest

from jobs_app.processes import tree
from jobs_app.processes.host import has_died, this_host

HERE = this_host()
STARTED = tree.process_started(os.getpid())

pytestmark = pytest.mark.skipif(STARTED is None, reason="only Linux has /proc: run this there")


@pytest.mark.parametrize(
    ("host", "boot_id", "process_started", "died"),
    [
        (HERE.name, HERE.boot_id, STARTED, False),
        (HERE.name, HERE.boot_id, (STARTED or 0) - 1, True),
        (HERE.name, "another boot", STARTED, True),
        (HERE.name, HERE.boot_id, None, False),
        ("elsewhere", "another boot", (STARTED or 0) - 1, False),
    ],
    ids=["it lives", "its pid has a new owner", "the host was restarted", "unknown", "elsewhere"],
)
def test_a_process_has_died_only_where_that_is_certain(host, boot_id, process_started, died):
    assert has_died(host, boot_id, os.getpid(), process_started) is died
