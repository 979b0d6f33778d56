"""What every tier of tests shares: a project, a session in it, all cores, no silent skips in CI."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

IN_CI = os.environ.get("CI", "").lower() == "true" or os.environ.get("POKECODE_CI") == "1"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """A process for each core; a few files or tests, named one by one, start sooner in one."""
    if all(Path(argument).is_dir() for argument in config.args):
        return os.cpu_count() or 1
    return 0


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever the order of the others is, what takes longest comes first."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """CI has every part, so a test that was skipped there is a failure."""
    if IN_CI and exitstatus == pytest.ExitCode.OK and _skipped(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = _skipped(terminalreporter.config)
    if IN_CI and skipped:
        line = f"CI skips nothing, but {skipped} test(s) were skipped."
        terminalreporter.write_line(line, red=True)


def _skipped(config: pytest.Config) -> int:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return len(reporter.stats.get("skipped", [])) if reporter else 0


@pytest.fixture(autouse=True)
def private_files() -> Iterator[None]:
    """New files are private, as they are under every command."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.fixture(scope="session", autouse=True)
def project_roots(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Projects lie below the tests' own directory: what is above it changes nothing."""
    from django.conf import settings

    settings.POKECODE_PROJECT_ROOTS = [tmp_path_factory.getbasetemp().resolve()]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An empty project directory under a project root."""
    directory = tmp_path / "project"
    directory.mkdir()
    return directory


@pytest.fixture
def git_project(project: Path) -> Path:
    """A project directory with one commit on the branch `main`."""
    (project / "README.md").write_text("# A project\n")
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    for arguments in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "."],
        [*identity, "commit", "--quiet", "--message=First"],
    ):
        subprocess.run(["git", *arguments], cwd=project, check=True)
    return project


@pytest.fixture
def session(db, project: Path):
    """A Claude Code session in `project`."""
    from sessions_app.models import Session

    return Session.objects.create_for_path(project)
