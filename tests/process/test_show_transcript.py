"""show_transcript in a real terminal and in a pipe."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from tests.process.site import ROOT

HOSTILE = "evil \x1b]52;c;ZXZpbA==\x07 \r \x9b2J \x7f \u202e end"
TIMEOUT = 30

APPEND = """
import sys
from sessions_app import transcript
content = sys.stdin.buffer.read().decode()
transcript.append([transcript.NewMessage({session!r}, "claude-code", "assistant", content)])
"""


@pytest.fixture
def session(site) -> str:
    session_id = site.session()
    say(site, session_id, HOSTILE)
    return session_id


def say(site, session_id: str, content: str | list) -> None:
    """The agent's words or calls, committed by another process.

    Controls that JSON allows within a text stay as they are, as in an agent's own lines.
    """
    event = {"type": "assistant", "message": {"content": content}}
    program = APPEND.format(session=session_id)
    line = json.dumps(event, ensure_ascii=False).encode()
    site.manage("shell", "--verbosity=0", "--command", program, stdin=line)


@contextmanager
def in_terminal(site, *arguments: str, **environment: str):
    """The command with a terminal of its own as its output; yields process and terminal."""
    primary, secondary = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=secondary,
        stderr=secondary,
        env={**site.environment, "TERM": "xterm", **environment},
    )
    os.close(secondary)
    try:
        yield process, primary
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(primary)


def read_until(terminal: int, text: str | None) -> str:
    """What the terminal was sent until the text came, or to the end for None."""
    output, deadline = b"", time.monotonic() + TIMEOUT
    while text is None or text.encode() not in output:
        ready, _, _ = select.select([terminal], [], [], max(0, deadline - time.monotonic()))
        if not ready:
            raise AssertionError(f"{text!r} did not come: {output!r}")
        try:
            output += os.read(terminal, 65536)
        except OSError:  # Linux's way to say that the other side is closed
            break
    return output.decode()


@pytest.mark.parametrize("form", ["text", "json", "raw"])
def test_a_terminal_gets_no_control_sequence_of_an_agent(site, session, form):
    command = ("show_transcript", session, f"--format={form}")
    with in_terminal(site, *command, NO_COLOR="1") as (process, terminal):
        output = read_until(terminal, None)
        assert process.wait(TIMEOUT) == 0
    assert "evil" in output
    assert not set("\x1b\x07\r\x9b\x7f\u202e") & set(output.replace("\r\n", "\n"))


def test_a_terminal_gets_our_colours(site, session):
    call = {"type": "tool_use", "id": "t", "name": "Read", "input": {"file_path": "a.py"}}
    say(site, session, [call])
    with in_terminal(site, "show_transcript", session) as (_, terminal):
        assert "\x1b[36m* Read a.py\x1b[0m" in read_until(terminal, None)


def test_a_pipe_gets_no_colours(site, session):
    assert "\x1b" not in site.manage("show_transcript", session).stdout


def test_following_shows_new_messages_until_ctrl_c(site, session):
    command = ("show_transcript", session, "--follow")
    with in_terminal(site, *command, NO_COLOR="1") as (process, terminal):
        read_until(terminal, "evil")
        say(site, session, "and one more")
        read_until(terminal, "and one more")
        process.send_signal(signal.SIGINT)
        rest = read_until(terminal, None)
        assert process.wait(TIMEOUT) == 0
    assert "Traceback" not in rest


def test_a_reader_that_has_seen_enough_ends_the_command_in_silence(site, session):
    for _ in range(3):
        say(site, session, "x" * 1_000_000)
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "show_transcript", session],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=site.environment,
    )
    assert process.stdout and process.stderr
    process.stdout.read(10)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(TIMEOUT) == 0
