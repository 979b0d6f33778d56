"""Commands whose output nobody takes: no traceback."""

import os
import subprocess

import pytest

from tests.process.site import MANAGE, Site


def run_into(site: Site, output: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MANAGE, *arguments],
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        env=site.environment,
        timeout=60,
        check=False,
    )


@pytest.fixture(params=["queue_status", "show_transcript", "submit_prompt"])
def command(request, site: Site) -> list[str]:
    session = site.session()
    arguments = {"queue_status": [], "show_transcript": [session], "submit_prompt": [session, "Go"]}
    site.submit(session, "Do it")
    return [request.param, *arguments[request.param]]


def test_a_reader_that_has_gone_ends_a_command_in_silence(site: Site, command):
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = run_into(site, write_end, *command)
    os.close(write_end)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has /dev/full: run this there")
def test_a_full_disk_for_the_output_is_said_in_one_line(site: Site, command):
    full = os.open("/dev/full", os.O_WRONLY)
    done = run_into(site, full, *command)
    os.close(full)
    if command[0] == "show_transcript":  # nothing was said yet, so nothing is written
        assert (done.returncode, done.stderr) == (0, "")
    else:
        assert done.returncode == 1
        assert done.stderr == "pokecode: The output cannot be written: its disk is full.\n"
