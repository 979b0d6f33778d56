"""Commands that are started without standard streams, as by `>&-`, do their work all the same."""

import json
import signal
import socket
import subprocess
import sys
from contextlib import closing, suppress
from urllib.request import build_opener

import pytest

from tests.process.running import Up
from tests.process.site import MANAGE, ROOT, Site, directive, wait_for

CLOSED = {"input": "<&-", "output": ">&-", "errors": "2>&-", "all three": "<&- >&- 2>&-"}

RUN_ALL = """
import json, os, sys
from pathlib import Path
from pokecode_site.cli import main

codes = []
for arguments in json.loads(os.environ["COMMANDS"]):
    sys.argv = ["manage.py", *arguments]
    try:
        main()
        codes.append(0)
    except SystemExit as ended:
        codes.append(ended.code)
null = os.stat(os.devnull).st_rdev
is_null = [os.fstat(number).st_rdev == null for number in range(3)]
Path(os.environ["RESULT"]).write_text(json.dumps([codes, is_null]))
"""


def without(streams: str, *command: str) -> list[str]:
    return ["sh", "-c", f'exec "$@" {streams}', "sh", *command]


@pytest.mark.parametrize("which", CLOSED)
def test_every_command_works_without_standard_streams(site: Site, which):
    session, name = site.session(), str(site.projects / "one")
    commands = [
        ["migrate"],
        ["check"],
        ["help"],
        ["create_session", name],
        ["submit_prompt", session, directive(text="done")],
        ["queue_status"],
        ["queue_status", "--json"],
        ["process_jobs", "--drain"],
        ["show_transcript", session],
        ["show_transcript", session, "--format=raw"],
        ["cancel_jobs", "--session", session],
        ["retry_jobs", "--session", session],
        ["rescue_jobs"],
        ["prune_jobs", "--dry-run"],
        ["trust_project", name],
        ["trust_project", "--list"],
        ["move_session", session],
        ["shell", "--command=print(1)"],
    ]
    result = site.directory / "result"
    environment = {"COMMANDS": json.dumps(commands), "RESULT": str(result), "PYTHONPATH": str(ROOT)}
    subprocess.run(
        without(CLOSED[which], sys.executable, "-c", RUN_ALL),
        env={**site.environment, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=120,
        check=True,
    )
    codes, is_null = json.loads(result.read_text())
    failed = [command for command, code in zip(commands, codes, strict=True) if code]
    assert failed == []
    assert is_null == [True, True, True], "no file of ours got a standard stream's number"
    assert [job["status"] for job in site.rows("SELECT status FROM job_queue")] == ["completed"]


def test_a_wrong_setting_still_has_its_exit_code(site: Site):
    command = without(CLOSED["all three"], *MANAGE, "check")
    environment = {**site.environment, "DATABASE_URL": "nonsense"}
    assert subprocess.run(command, env=environment, timeout=60, check=False).returncode == 2


def test_up_serves_and_stops_without_standard_streams(site: Site):
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    job = site.submit(site.session(), directive(text="done"))

    def answers() -> bool:
        with suppress(OSError), build_opener().open(health, timeout=30) as answer:
            return answer.read() == b"ok\n"
        return False

    health = f"http://127.0.0.1:{port}/health/ready"
    program = without(CLOSED["all three"], *MANAGE)
    with Up(
        site.directory / "home", f"--port={port}", program=program, environment=site.environment
    ) as up:
        wait_for(answers, 60, "the site is served")
        site.wait_for_status(job, "completed")
        up.stop(signal.SIGTERM)
        assert up.family() == []
