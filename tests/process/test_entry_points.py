"""Importing the settings changes nothing; an entry point makes what they rely on."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from urllib.request import build_opener

import pytest

from tests.process.site import MANAGE, ROOT, wait_for

PYTHON = (sys.executable, "-c")
LOOSE = 0o022
"""The umask of an ordinary login."""

SEE_UMASK = "import os; umask = os.umask(0); os.umask(umask); print(oct(umask))"
SEE_AGENTS_UMASK = "from django.conf import settings; print(oct(settings.AGENT_UMASK))"
SEE_BOTH = f"{SEE_UMASK}; {SEE_AGENTS_UMASK}"
USE_SETTINGS = 'import os; os.environ["DJANGO_SETTINGS_MODULE"] = "pokecode_site.settings"'
SHELL = ("shell", "--verbosity=0", "--command", SEE_BOTH)
MAIN = "from pokecode_site.cli import main; main()"
ENTRY_POINTS = {
    "manage.py": (*MANAGE, *SHELL),
    "python -m": (sys.executable, "-m", "pokecode_site", *SHELL),
    "console script": (*PYTHON, MAIN, *SHELL),
    "asgi": (*PYTHON, f"import pokecode_site.asgi; {SEE_BOTH}"),
    "wsgi": (*PYTHON, f"import pokecode_site.wsgi; {SEE_BOTH}"),
}
IMPORTS = {
    "the module": "import pokecode_site.settings",
    "django.setup": f"{USE_SETTINGS}; import django; django.setup()",
}


@pytest.fixture
def home(tmp_path) -> Path:
    directory = tmp_path / "home"
    directory.mkdir()
    return directory


def environment(home: Path, **more: str) -> dict[str, str]:
    named = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(ROOT)}
    return {**named, "LANG": "C.UTF-8", "PYTHONWARNINGS": "error", **more}


def output(command: tuple[str, ...], home: Path, **more: str) -> list[str]:
    """What a process prints that starts in an empty home, with an ordinary umask."""
    done = subprocess.run(
        command,
        cwd=home,
        env=environment(home, **more),
        umask=LOOSE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("program", IMPORTS.values(), ids=IMPORTS)
def test_importing_the_settings_writes_nothing_and_leaves_the_umask(home, program):
    assert output((*PYTHON, f"{program}; {SEE_UMASK}"), home) == [oct(LOOSE)]
    assert list(home.iterdir()) == []


def test_without_an_entry_point_nothing_can_be_signed_before_the_key_exists(home):
    sign = (
        f"{USE_SETTINGS}\n"
        "from django.core.exceptions import ImproperlyConfigured\n"
        "from django.core.signing import dumps\n"
        "try: dumps(1)\n"
        "except ImproperlyConfigured: print('refused')\n"
        "else: print('signed')"
    )
    assert output((*PYTHON, sign), home) == ["refused"]
    output((*MANAGE, "check"), home)
    assert output((*PYTHON, sign), home) == ["signed"]


@pytest.mark.parametrize("command", ENTRY_POINTS.values(), ids=ENTRY_POINTS)
def test_an_entry_point_makes_the_directory_the_key_and_a_private_umask(home, command):
    assert output(command, home) == [oct(0o077), oct(LOOSE)]
    data = home / ".local/share/pokecode"
    assert mode(data) == 0o700
    assert mode(data / "secret_key") == 0o600


def test_the_agents_umask_is_right_even_if_the_settings_come_first(home):
    late = f"import pokecode_site.settings, pokecode_site.asgi; {SEE_BOTH}"
    assert output((*PYTHON, late), home) == [oct(0o077), oct(LOOSE)]


def test_a_key_from_the_environment_is_not_written_down(home):
    key = "".join(map(chr, range(40, 100)))
    output((*MANAGE, "check"), home, POKECODE_SECRET_KEY=key)
    assert list((home / ".local/share/pokecode").iterdir()) == []


def test_any_asgi_server_serves_the_site_from_an_empty_directory(home):
    log = home / "log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "--port=0", "pokecode_site.asgi:application"],
            cwd=home,
            env=environment(home, PYTHONWARNINGS=""),
            stdout=stream,
            stderr=stream,
        )
    try:
        running = r"running on (http://127\.0\.0\.1:\d+)"
        found = wait_for(lambda: re.search(running, log.read_text()), what="the site is served")
        with build_opener().open(f"{found[1]}/health/live", timeout=30) as answer:
            assert answer.read() == b"ok\n"
    finally:
        process.terminate()
        process.wait(30)
    assert mode(home / ".local/share/pokecode/secret_key") == 0o600
