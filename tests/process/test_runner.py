"""An agent's process: what is read of it, how it is stopped, and that nothing outlives it."""

import asyncio
import os
import resource
import time

import pytest

from sessions_app.providers.events import LINE_LIMIT
from tests.process.runs import is_running, pid_in, run, run_fake, start, start_fake

MIB = 1024 * 1024


def test_lines_come_whole_and_in_order(project):
    exit, lines = run_fake(project, {"lines": ["one", "", "zwei \u2028 r\r still two", "three"]})
    texts = [line.decode() for line, _ in lines]
    assert texts == ["one", "", "zwei \u2028 r\r still two", "three"]
    assert not any(cut for _, cut in lines)
    assert (exit.exit_code, exit.stop_reason) == (0, None)


def test_a_line_of_ten_megabytes_comes_whole(project):
    _, lines = run_fake(project, {"lines": [{"fill": 10 * MIB}, "after"]})
    assert [(len(line), cut) for line, cut in lines] == [(10 * MIB + 2, False), (5, False)]


def test_a_last_line_without_its_end_is_cut(project):
    _, lines = run_fake(project, {"lines": ["whole", '{"half":'], "unended": True})
    assert lines == [(b"whole", False), (b'{"half":', True)]


def test_an_endless_line_takes_bounded_memory(project):
    async def scenario():
        recorded = await start(project, ["head", "-c", "1000000000", "/dev/zero"])
        await recorded.process.wait()
        return [(len(line), cut) for line, cut in recorded.lines]

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    lines = asyncio.run(scenario())
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert lines == [(LINE_LIMIT, True)]
    assert grown < 4 * LINE_LIMIT


def test_a_flood_of_stderr_leaves_its_end(project):
    script = "head -c 100000000 /dev/zero | tr '\\0' x >&2; echo the end >&2; echo answer"
    exit, lines = run(project, ["sh", "-c", script])
    assert exit.stderr.endswith("xxxthe end\n")
    assert len(exit.stderr) == 64 * 1024
    assert lines == [(b"answer", False)]


def test_stderr_that_is_not_utf8_is_readable(project):
    exit, _ = run(project, ["sh", "-c", "printf 'bad \\377 byte' >&2"])
    assert exit.stderr == "bad \ufffd byte"


@pytest.mark.parametrize("code", [0, 3, 255, -9])
def test_exit_codes_are_told(project, code):
    exit, lines = run_fake(project, {"silent": True, "exit": code})
    assert (exit.exit_code, lines) == (code, [])


def test_closing_stdout_early_is_not_the_end(project, tmp_path):
    release = tmp_path / "release"

    async def scenario():
        recorded = await start(
            project, ["sh", "-c", f"exec >&- 2>&-; {waits_for(release)}; exit 7"]
        )
        waiting = asyncio.create_task(recorded.process.wait())
        while not output_is_closed(recorded.process.pid):
            await asyncio.sleep(0.005)
        assert not waiting.done()
        release.touch()
        return await waiting

    assert asyncio.run(scenario()).exit_code == 7


def waits_for(path) -> str:
    return f"while [ ! -e {path} ]; do sleep 0.01; done"


def output_is_closed(pid: int) -> bool:
    return not os.path.exists(f"/proc/{pid}/fd/1")


def test_a_huge_prompt_arrives_whole(project):
    _, lines = run(project, ["wc", "-c"], stdin=b"x" * 5 * MIB)
    assert lines == [(str(5 * MIB).encode(), False)]


def test_an_agent_may_leave_its_prompt_unread(project):
    exit, lines = run(project, ["sh", "-c", "exec <&-; echo unread"], stdin=b"x" * 5 * MIB)
    assert (exit.exit_code, lines) == (0, [(b"unread", False)])


def test_a_cancelled_run_ends_by_its_own_means(project):
    async def scenario():
        recorded = await start_fake(project, {"sleep": 1000}, grace=30)
        await recorded.first_line()
        recorded.process.stop("cancelled")
        recorded.process.stop("interrupted")
        return await recorded.process.wait(), recorded.lines

    exit, lines = asyncio.run(scenario())
    assert (exit.exit_code, exit.stop_reason) == (0, "cancelled")
    assert b"error_during_execution" in lines[-1][0]


def test_a_run_that_ignores_signals_is_killed_in_time(project):
    async def scenario():
        recorded = await start_fake(project, {"ignore_signals": True, "sleep": 1000}, grace=0.1)
        await recorded.first_line()
        recorded.process.stop("cancelled")
        began = time.monotonic()
        return await recorded.process.wait(), time.monotonic() - began

    exit, seconds = asyncio.run(scenario())
    assert (exit.exit_code, exit.stop_reason) == (-9, "cancelled")
    assert 0.2 <= seconds < 5


def test_a_later_stop_can_hasten_the_end(project):
    async def scenario():
        recorded = await start_fake(project, {"sleep": 1000, "ignore_signals": True}, grace=1000)
        await recorded.first_line()
        recorded.process.stop("cancelled")
        recorded.process.stop("lease lost", grace=0.01)
        async with asyncio.timeout(30):
            return await recorded.process.wait()

    exit = asyncio.run(scenario())
    assert (exit.exit_code, exit.stop_reason) == (-9, "cancelled")


def test_a_run_that_never_ends_is_stopped_at_its_time_limit(project):
    exit, _ = run(project, ["sleep", "1000"], timeout=0.2)
    assert (exit.exit_code, exit.stop_reason) == (-2, "timeout")


def test_a_run_that_has_ended_was_not_stopped(project):
    async def scenario():
        recorded = await start(project, ["true"], timeout=60)
        await recorded.process.wait()
        recorded.process.stop("cancelled")
        return await recorded.process.wait()

    exit = asyncio.run(scenario())
    assert (exit.exit_code, exit.stop_reason) == (0, None)


@pytest.mark.parametrize("end", [{"exit": 0}, {"exit": -9}])
def test_a_process_in_its_own_session_that_holds_the_output_ends_with_the_run(
    project, tmp_path, end
):
    """The end of the output would never come while it lives."""
    exit, _ = run_fake(project, {"spawn_detached": str(tmp_path / "pid"), **end})
    assert exit.exit_code == end["exit"]
    assert not is_running(pid_in(tmp_path / "pid"))


def test_a_hundred_runs_at_once_keep_apart(project):
    async def one(number):
        script = f"cat; echo {number}; exit {number}"
        recorded = await start(project, ["sh", "-c", script], b"in\n", run_id=f"run-{number}")
        return await recorded.process.wait(), recorded.lines

    async def scenario():
        return await asyncio.gather(*map(one, range(100)))

    for number, (exit, lines) in enumerate(asyncio.run(scenario())):
        assert exit.exit_code == number
        assert lines == [(b"in", False), (str(number).encode(), False)]


def test_no_descriptor_is_left_open(project):
    run(project, ["true"])
    before = len(os.listdir("/proc/self/fd"))
    run(project, ["sh", "-c", "exec >&-"], stdin=b"x" * MIB)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    ("program", "error"), [("no-such-program", FileNotFoundError), ("README.md", PermissionError)]
)
def test_a_program_that_cannot_start_says_so(git_project, program, error):
    with pytest.raises(error):
        run(git_project, [str(git_project / program)])


def test_it_runs_in_the_directory_that_was_opened(project, tmp_path):
    """Also when the path means another one by then."""

    async def scenario():
        recorded = await start(Swapped(project, tmp_path / "moved"), ["pwd", "-P"])
        return await recorded.process.wait(), recorded.lines

    _, lines = asyncio.run(scenario())
    assert lines == [(str(tmp_path / "moved").encode(), False)]


class Swapped(os.PathLike):
    """A path that is moved away, and another put in its place, once it was opened."""

    def __init__(self, path, moved) -> None:
        self.path, self.moved = path, moved

    def __fspath__(self) -> str:
        self.path.rename(self.moved)
        self.path.mkdir()
        return str(self.moved)


def test_a_reader_that_fails_ends_the_run_and_is_heard(project):
    def failing(line, cut):
        raise ValueError("not understood")

    async def scenario():
        recorded = await start_fake(project, {"lines": ["one", "two"], "sleep": 1000})
        recorded.process._on_line = failing
        await recorded.process.wait()

    with pytest.raises(ValueError, match="not understood"):
        asyncio.run(scenario())
