"""A wheel of this checkout, in an empty environment and an empty directory, is all of it."""

import re
import signal
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.process.running import Up
from tests.process.site import ROOT

pytestmark = pytest.mark.xdist_group("wheel")  # it is built and installed once for all of these

PACKAGES = ("pokecode_site", "sessions_app", "jobs_app")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    _pip("wheel", "--no-deps", "--no-build-isolation", f"--wheel-dir={directory}", str(ROOT))
    (built,) = directory.glob("pokecode-*.whl")
    return built


@pytest.fixture(scope="module")
def programs(wheel, tmp_path_factory) -> Path:
    """The programs of an environment with the wheel; what it depends on is the test's own."""
    environment = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    _pip(f"--python={python}", "install", "--no-deps", str(wheel))
    (packages,) = environment.glob("lib/python*/site-packages")
    # A directory named in a .pth file is searched, but its own .pth files are not
    # read: an editable install of this checkout stays out of sight.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return python.parent


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_file_of_the_packages_is_in_the_wheel(wheel):
    expected = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert packed == expected


def test_the_installed_code_is_the_wheels(programs, tmp_path):
    ask = "import jobs_app; print(jobs_app.__file__)"
    command = [programs / "python", "-c", ask]
    answer = subprocess.check_output(command, cwd=tmp_path, text=True)
    assert Path(answer.strip()).is_relative_to(programs.parent)


def test_the_installed_command_runs_the_demo_from_anywhere(programs, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    with Up(home, "--demo", program=[str(programs / "pokecode")]).wait_until_ready() as up:
        assert up.get("/health/ready") == "ok\n"
        page = up.get("/admin/login/")
        styles = re.findall(r'href="(/static/[^"]+\.css)"', page)
        assert styles
        for style in styles:
            assert "{" in up.get(style)
        up.log_in()
        up.stop(signal.SIGTERM)
        assert up.family() == []
    isolated = [str(programs / "python"), "-I", "-m", "pokecode_site"]
    with Up(home, "--demo", program=isolated).wait_until_ready() as up:
        assert up.get("/health/ready") == "ok\n"
        up.stop(signal.SIGTERM)
        assert up.family() == []
