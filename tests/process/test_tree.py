"""What a run left is found and ended wherever it is, and nothing else ever is."""

import asyncio
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psutil
import pytest

from jobs_app.processes import process, tree
from jobs_app.processes.tree import RUN_MARKER
from sessions_app.display import confined
from tests.process.runs import (
    attached,
    is_running,
    pid_in,
    run,
    spawned,
    start,
    start_fake,
)
from tests.process.site import wait_for

SLEEP = ["sleep", "1000"]
RUN = f"run-{uuid.uuid4()}"  # no other test run on this machine ends ours, or has its own ended


@contextmanager
def started(argv, marker=None, **options):
    """A process that ends with the test, whatever the test does."""
    environment = {"PATH": os.environ["PATH"]} | ({RUN_MARKER: marker} if marker else {})
    process = subprocess.Popen(argv, env=environment, **options)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def subreaper():
    """Orphans come to this process, as they come to the worker; none is left to the next test."""
    confined.close()  # a child of this process, if an earlier test has rendered something
    tree.become_subreaper()
    yield
    wait_for(lambda: not tree.reap_adopted(), what="the end of this test's orphans")
    ctypes.CDLL(None).prctl(tree.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
    tree._is_subreaper = False


def test_start_times_are_those_of_the_kernel(tmp_path):
    """Also for a program whose name looks like the fields after it."""
    program = tmp_path / ") R 1 1 ("
    shutil.copy(shutil.which("sleep"), program)
    with started([str(program), "1000"]) as process:
        seconds = tree.process_started(process.pid) / os.sysconf("SC_CLK_TCK")
        expected = psutil.Process(process.pid).create_time() - psutil.boot_time()
        assert seconds == pytest.approx(expected, abs=1.5)


def test_an_ended_process_has_no_start_time():
    with started(["true"]) as process:
        wait_for(lambda: not is_running(process.pid))
        assert tree.process_started(process.pid) is None
    assert tree.process_started(process.pid) is None


def test_a_boot_has_an_identity_that_stays():
    assert len(tree.boot_id()) == 36
    assert tree.boot_id() == tree.boot_id()


def test_a_marked_process_in_its_own_session_is_ended_after_its_parent(tmp_path):
    script = f"setsid sleep 1000 & echo $! > {tmp_path / 'pid'}"
    with started(["sh", "-c", script], marker=RUN) as parent:
        parent.wait()
    survivor = pid_in(tmp_path / "pid")
    assert is_running(survivor)
    assert tree.end_marked(RUN) == 1
    assert not is_running(survivor)
    assert tree.end_marked(RUN) == 0


@pytest.mark.parametrize(
    "marker",
    [None, f"{RUN}0", RUN[:-1], RUN.upper()],
    ids=["none", "longer", "shorter", "upper case"],
)
def test_a_process_without_the_very_marker_survives(marker):
    with started(SLEEP, marker=marker) as innocent, started(SLEEP, marker=RUN) as guilty:
        assert tree.marked(RUN) == [guilty.pid]
        assert tree.end_marked(RUN) == 1
        assert innocent.poll() is None


def test_a_reused_pid_is_not_killed():
    """Between the look and the kill the pid got a new owner: one without the marker."""
    with started(SLEEP) as innocent:
        assert tree._kill(innocent.pid, lambda pid: tree._marker(pid) == RUN) is False
        assert innocent.poll() is None


def test_what_cannot_be_ended_in_time_is_named():
    with started(SLEEP, marker=RUN) as process, pytest.raises(tree.StillAlive) as error:
        tree.end_marked(RUN, timeout=0)
    assert error.value.pids == [process.pid]
    assert str(process.pid) in str(error.value)


def test_a_run_stays_open_until_what_cannot_be_ended_is_gone(
    project, tmp_path, monkeypatch, caplog
):
    """As another user's process: PokéCode may not signal it."""
    monkeypatch.setattr(tree, "_kill", lambda pid, belongs: False)
    monkeypatch.setattr(process, "CLEANUP_TIMEOUT", 0.01)
    monkeypatch.setattr(process, "CLEANUP_INTERVAL", 0.01)

    async def scenario():
        recorded = await start_fake(project, {"spawn_detached": str(tmp_path / "pid")})
        waiting = asyncio.create_task(recorded.end())
        while "stays open" not in caplog.text:
            await asyncio.sleep(0.01)
        was_open = not waiting.done()
        os.kill(pid_in(tmp_path / "pid"), signal.SIGKILL)
        return was_open, await waiting

    was_open, ended = asyncio.run(scenario())
    assert (was_open, ended.exit_code) == (True, 0)
    [message] = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert str(pid_in(tmp_path / "pid")) in message


def test_a_run_that_keeps_starting_processes_is_ended_whole(tmp_path):
    script = 'while :; do sleep 1000 & [ "$(jobs | wc -l)" -gt 20 ] && sleep 0.01; done'
    with started(["bash", "-c", script], marker=RUN):
        wait_for(lambda: len(tree.marked(RUN)) > 10)
        tree.end_marked(RUN)
        assert tree.marked(RUN) == []


def test_a_stray_without_any_environment_ends_with_its_run(project, tmp_path, subreaper):
    assert run(project, leaving_stray(tmp_path / "pid")).exit_code == 0
    assert not psutil.pid_exists(pid_in(tmp_path / "pid"))


@pytest.mark.parametrize("goes_on", [True, False], ids=["that goes on", "that ends"])
def test_a_stray_of_a_run_from_a_thread_ends_with_its_run(project, tmp_path, subreaper, goes_on):
    """The kernel gives orphans to the main thread, whichever thread started their run."""
    with ThreadPoolExecutor(1) as threads:
        found = threads.submit(spawned, project, leaving_stray(tmp_path / "pid")).result()
        if not goes_on:
            threads.shutdown()
        assert reaches_its_end(found) == 0
    assert not psutil.pid_exists(pid_in(tmp_path / "pid"))


def test_a_run_from_a_thread_is_never_taken_for_an_orphan(project, subreaper):
    """Neither while the thread goes on nor when its end made it a child of the main thread."""
    with ThreadPoolExecutor(1) as threads:
        found = threads.submit(spawned, project, SLEEP).result()
        assert found.process.pid not in tree._children()
        assert tree.has_no_orphans()
    wait_for(lambda: found.process.pid in tree._children())
    assert tree.has_no_orphans()
    found.process.kill()
    assert reaches_its_end(found) == -signal.SIGKILL


def reaches_its_end(found) -> int:
    async def scenario():
        return await attached(found).end()

    return asyncio.run(scenario()).exit_code


def test_an_orphan_is_noticed_at_once_and_only_while_there_is_one(subreaper, tmp_path):
    assert tree.has_no_orphans()
    script = f"setsid sleep 1000 >/dev/null 2>&1 & echo $! > {tmp_path / 'pid'}"
    with started(["sh", "-c", script], start_new_session=True) as parent:
        parent.wait()
    assert not tree.has_no_orphans()
    orphan = psutil.Process(pid_in(tmp_path / "pid"))
    orphan.kill()
    wait_for(lambda: orphan.status() == psutil.STATUS_ZOMBIE)
    assert not tree.has_no_orphans()  # its children may have come to us since we looked
    assert tree.has_no_orphans()


def test_without_adoption_nobody_can_say_that_there_are_no_orphans():
    assert not tree.has_no_orphans()


def leaving_stray(path) -> list[str]:
    """A run that ends while a process of it without environment goes on, for certain."""
    stray = f"env -i setsid sleep 1000 >/dev/null 2>&1 & echo $! > {path}"
    seen = f'while grep -q . "/proc/$(cat {path})/environ"; do sleep 0.01; done'
    return ["bash", "-c", f"{stray}; {seen}"]


def test_a_stray_that_an_older_run_may_own_waits_for_that(project, tmp_path, subreaper):
    async def scenario():
        older = await start_fake(project, {"sleep": 1000}, run_id="older")
        await older.first_line()
        younger = await start(project, leaving_stray(tmp_path / "pid"), run_id="younger")
        await younger.process.wait()
        after_younger = is_running(pid_in(tmp_path / "pid"))
        older.process.stop()
        await older.process.wait()
        return after_younger, is_running(pid_in(tmp_path / "pid"))

    assert asyncio.run(scenario()) == (True, False)


def test_an_orphan_from_before_the_run_survives_it(project, tmp_path, subreaper):
    script = f"setsid sleep 1000 >/dev/null 2>&1 & echo $! > {tmp_path / 'pid'}"
    with started(["sh", "-c", script], start_new_session=True) as parent:
        parent.wait()
    older = psutil.Process(pid_in(tmp_path / "pid"))
    try:
        wait_for(lambda: older.ppid() == os.getpid())
        wait_for_next_tick(older.pid)
        run(project, ["true"])
        assert is_running(older.pid)
    finally:
        older.kill()


def wait_for_next_tick(pid: int) -> None:
    """Start times are told in clock ticks: what starts from now on is later than the process."""

    def is_later():
        with started(["true"]) as process:
            return tree._stat(process.pid).started > tree.process_started(pid)

    wait_for(is_later)


def test_orphans_that_have_ended_leave_no_zombies(project, tmp_path, subreaper):
    release = tmp_path / "release"
    wait = f"while [ ! -e {release} ]; do sleep 0.01; done"
    script = f"(setsid sh -c '{wait}' >/dev/null 2>&1 & echo $! > {tmp_path / 'pid'})"

    async def scenario():
        run_itself = f"{script}; sleep 1000"
        recorded = await start(project, ["sh", "-c", run_itself])
        while not (tmp_path / "pid").exists():
            await asyncio.sleep(0.01)
        release.touch()
        orphan = pid_in(tmp_path / "pid")
        while psutil.Process(orphan).status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.01)
        tree.reap_adopted()
        listed = psutil.pid_exists(orphan)
        recorded.process.stop()
        await recorded.process.wait()
        return listed

    assert asyncio.run(scenario()) is False


def test_exit_codes_of_our_own_children_are_not_taken(project, subreaper):
    """Such as git: they are waited for by whoever started them."""
    children = [subprocess.Popen(["sh", "-c", "exit 9"]) for _ in range(5)]
    for child in children:
        wait_for(lambda child=child: not is_running(child.pid))
    run(project, [sys.executable, "-c", "pass"])
    tree.reap_adopted()
    assert [child.wait() for child in children] == [9] * 5
