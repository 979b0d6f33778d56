"""An agent's process: what is read of it, how it is stopped, and that nothing outlives it."""

import asyncio
import os
import resource
import signal
import stat
import sys
import time

import pytest

from sessions_app.providers.events import LINE_LIMIT
from tests.process.runs import (
    attached,
    is_running,
    pid_in,
    run,
    run_fake,
    spawned,
    start,
    start_fake,
)

MIB = 1024 * 1024


def test_lines_come_whole_and_in_order(project):
    ended = run_fake(project, {"lines": ["one", "", "zwei \u2028 r\r still two", "three"]})
    texts = [line.decode() for line, _ in ended.lines]
    assert texts == ["one", "", "zwei \u2028 r\r still two", "three"]
    assert not any(cut for _, cut in ended.lines)
    assert ended.exit_code == 0


def test_a_line_of_ten_megabytes_comes_whole(project):
    lines = run_fake(project, {"lines": [{"fill": 10 * MIB}, "after"]}).lines
    assert [(len(line), cut) for line, cut in lines] == [(10 * MIB + 2, False), (5, False)]


def test_a_last_line_without_its_end_is_cut(project):
    ended = run_fake(project, {"lines": ["whole", '{"half":'], "unended": True})
    assert ended.lines == [(b"whole", False), (b'{"half":', True)]


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
    ended = run(project, ["sh", "-c", script])
    assert ended.stderr.endswith("xxxthe end\n")
    assert len(ended.stderr) == 64 * 1024
    assert ended.lines == [(b"answer", False)]


def test_stderr_that_is_not_utf8_is_readable(project):
    ended = run(project, ["sh", "-c", "printf 'bad \\377 byte' >&2"])
    assert ended.stderr == "bad \ufffd byte"


@pytest.mark.parametrize("code", [0, 3, 255, -9])
def test_exit_codes_are_told(project, code):
    ended = run_fake(project, {"silent": True, "exit": code})
    assert (ended.exit_code, ended.lines) == (code, [])


def test_closing_stdout_early_is_not_the_end(project, tmp_path):
    release = tmp_path / "release"

    async def scenario():
        recorded = await start(
            project, ["sh", "-c", f"exec >&- 2>&-; {waits_for(release)}; exit 7"]
        )
        waiting = asyncio.create_task(recorded.end())
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
    ended = run(project, ["wc", "-c"], stdin=b"x" * 5 * MIB)
    assert ended.lines == [(str(5 * MIB).encode(), False)]


def test_an_agent_may_leave_its_prompt_unread(project):
    ended = run(project, ["sh", "-c", "exec <&-; echo unread"], stdin=b"x" * 5 * MIB)
    assert (ended.exit_code, ended.lines) == (0, [(b"unread", False)])


def test_a_cancelled_run_ends_by_its_own_means(project):
    async def scenario():
        recorded = await start_fake(project, {"sleep": 1000}, grace=30)
        await recorded.first_line()
        was_stopped = recorded.process.stop()
        return was_stopped, await recorded.end()

    was_stopped, ended = asyncio.run(scenario())
    assert (was_stopped, ended.exit_code) == (True, 0)
    assert b"error_during_execution" in ended.lines[-1][0]


def test_a_run_that_ignores_signals_is_killed_in_time(project):
    async def scenario():
        recorded = await start_fake(project, {"ignore_signals": True, "sleep": 1000}, grace=0.1)
        await recorded.first_line()
        recorded.process.stop()
        began = time.monotonic()
        return await recorded.end(), time.monotonic() - began

    ended, seconds = asyncio.run(scenario())
    assert ended.exit_code == -9
    assert 0.2 <= seconds < 5


@pytest.mark.parametrize("graces", [(1000, 0.01), (0.01, 1000)])
def test_a_later_stop_can_only_hasten_the_end(project, graces):
    async def scenario():
        recorded = await start_fake(project, {"sleep": 1000, "ignore_signals": True})
        await recorded.first_line()
        assert [recorded.process.stop(grace) for grace in graces] == [True, True]
        async with asyncio.timeout(30):
            return await recorded.end()

    assert asyncio.run(scenario()).exit_code == -9


def test_a_run_that_has_ended_by_itself_was_not_stopped(project):
    async def scenario():
        recorded = await start(project, ["true"])
        await recorded.end()
        return recorded.process.stop(), await recorded.end()

    was_stopped, ended = asyncio.run(scenario())
    assert (was_stopped, ended.exit_code) == (False, 0)


def test_a_run_that_was_stopped_stays_so_after_its_end(project):
    async def scenario():
        recorded = await start(project, ["sleep", "1000"])
        recorded.process.stop()
        ended = await recorded.end()
        return recorded.process.stop(), ended

    was_stopped, ended = asyncio.run(scenario())
    assert (was_stopped, ended.exit_code) == (True, -signal.SIGINT)


def test_a_process_may_be_spawned_in_a_thread_and_end_before_it_is_watched(project):
    """The prompt waits in its pipe, and what it said in others."""

    async def scenario():
        script = "echo $$; echo oops >&2; exit 3"
        found = await asyncio.to_thread(spawned, project, ["sh", "-c", script])
        while is_running(found.process.pid):
            await asyncio.sleep(0.005)
        recorded = attached(found)
        return recorded.process.pid, await recorded.end()

    pid, ended = asyncio.run(scenario())
    assert ended == (3, "oops\n", [(str(pid).encode(), False)])


def test_many_threads_may_spawn_at_once(project):
    async def one(number):
        argv = ["sh", "-c", f"cat; exit {number}"]
        found = await asyncio.to_thread(spawned, project, argv, f"run-{number}")
        recorded = attached(found)
        recorded.process.write(b"in\n")
        recorded.process.close_input()
        return await recorded.end()

    async def scenario():
        return await asyncio.gather(*map(one, range(50)))

    for number, ended in enumerate(asyncio.run(scenario())):
        assert (ended.exit_code, ended.lines) == (number, [(b"in", False)])


def test_input_comes_when_it_is_written_and_ends_when_it_is_closed(project):
    async def scenario():
        recorded = attached(spawned(project, ["cat"]))
        recorded.process.write(b"first\n")
        await recorded.first_line()
        recorded.process.write(b"second\n")
        recorded.process.close_input()
        return await recorded.end()

    ended = asyncio.run(scenario())
    assert ended.lines == [(b"first", False), (b"second", False)]


def test_input_of_any_size_waits_for_a_tool_that_does_not_read_and_holds_nothing_up(project):
    async def scenario():
        script = "while [ ! -e go ]; do sleep 0.01; done; wc -c"
        busy = attached(spawned(project, ["sh", "-c", script]))
        began = time.monotonic()
        for _ in range(20):
            busy.process.write(b"x" * MIB)
        seconds = time.monotonic() - began
        other = await start(project, ["cat"], b"in\n", run_id="run-other")
        assert (await other.end()).lines == [(b"in", False)]
        busy.process.close_input()
        (project / "go").touch()
        return seconds, await busy.end()

    seconds, ended = asyncio.run(scenario())
    assert ended.lines == [(str(20 * MIB).encode(), False)]
    assert seconds < 2


ENDLESS = "import sys; print('ready', flush=True); sys.stdin.read(); print('end of input')"


def test_input_that_outlives_us_has_no_end_and_other_ones_end(project, tmp_path):
    """The writing end is ours alone: agents that start at the same time do not inherit it."""

    async def scenario():
        waiting = attached(
            spawned(project, [sys.executable, "-c", ENDLESS], "run-waiting", input_outlives_us=True)
        )
        plain = attached(spawned(project, [sys.executable, "-c", ENDLESS], "run-plain"))
        await waiting.first_line()
        await plain.first_line()
        later = attached(spawned(project, ["sleep", "1000"], "run-later"))
        for recorded in (waiting, plain):
            recorded.process.close_input()
        ended = await plain.end()
        await asyncio.sleep(0.2)  # time in which the end of the input would be seen
        seen = list(waiting.lines)
        for recorded in (waiting, later):
            recorded.process.stop(0)
            await recorded.end()
        return ended.lines, seen

    ended, seen = asyncio.run(scenario())
    assert ended == [(b"ready", False), (b"end of input", False)]
    assert seen == [(b"ready", False)]


@pytest.mark.parametrize("umask", [0o022, 0o027])
def test_its_files_have_the_mode_that_was_asked_for(project, umask):
    async def scenario():
        await attached(spawned(project, ["touch", "made"], umask=umask)).end()

    asyncio.run(scenario())
    assert stat.S_IMODE((project / "made").stat().st_mode) == 0o666 & ~umask


@pytest.mark.parametrize("end", [{"exit": 0}, {"exit": -9}])
def test_a_process_in_its_own_session_that_holds_the_output_ends_with_the_run(
    project, tmp_path, end
):
    """The end of the output would never come while it lives."""
    ended = run_fake(project, {"spawn_detached": str(tmp_path / "pid"), **end})
    assert ended.exit_code == end["exit"]
    assert not is_running(pid_in(tmp_path / "pid"))


def test_a_hundred_runs_at_once_keep_apart(project):
    async def one(number):
        script = f"cat; echo {number}; exit {number}"
        recorded = await start(project, ["sh", "-c", script], b"in\n", run_id=f"run-{number}")
        return await recorded.end()

    async def scenario():
        return await asyncio.gather(*map(one, range(100)))

    for number, ended in enumerate(asyncio.run(scenario())):
        assert ended.exit_code == number
        assert ended.lines == [(b"in", False), (str(number).encode(), False)]


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
        return await recorded.end()

    assert asyncio.run(scenario()).lines == [(str(tmp_path / "moved").encode(), False)]


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
