"""Imports point one way: the site uses the jobs, the jobs use the sessions."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

DATABASE = ("django.db", "sessions_app.models", "sessions_app.transcript", "sessions_app.storage")
QUEUE = ("jobs_app.models", "jobs_app.claiming", "jobs_app.leases", "jobs_app.queue")
WORKER = ("jobs_app.worker", "jobs_app.agents", "jobs_app.processes")
PEOPLE = ("jobs_app.admin", "jobs_app.management")

FORBIDDEN = {
    "sessions_app": ("jobs_app", "pokecode_site"),
    "sessions_app/models.py": ("sessions_app.transcript", "sessions_app.display"),
    "sessions_app/storage.py": ("sessions_app.models", "sessions_app.transcript"),
    "sessions_app/providers": (*DATABASE, "sessions_app.display", "sessions_app.projects"),
    "sessions_app/display": ("sessions_app.admin", "sessions_app.management"),
    "jobs_app": ("pokecode_site",),
    "jobs_app/models": (*QUEUE[1:3], *WORKER, *PEOPLE),
    "jobs_app/claiming.py": (*QUEUE[2:], *WORKER, *PEOPLE),
    "jobs_app/afterwards.py": (*QUEUE[1:], *WORKER, *PEOPLE),
    "jobs_app/leases.py": (*QUEUE[3:], *WORKER, *PEOPLE),
    "jobs_app/queue.py": ("jobs_app.acts", *WORKER, *PEOPLE),
    "jobs_app/acts.py": (*WORKER, *PEOPLE),
    "jobs_app/processes": (
        *DATABASE,
        *QUEUE,
        "jobs_app.agents",
        "jobs_app.worker",
        "sessions_app.providers",
    ),
    "jobs_app/agents": (*DATABASE, *QUEUE, "jobs_app.worker"),
    "jobs_app/demo/agent.py": ("django", "sessions_app", *QUEUE, *WORKER),
    "jobs_app/worker": PEOPLE,
    "pokecode_site/conf": ("jobs_app", "sessions_app", "pokecode_site.pages"),
    "pokecode_site/pages": ("pokecode_site.serve",),
}


def _imported(source: Path) -> Iterator[str]:
    """Every module or name that a file imports, inside functions too, as dotted paths."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{_module(node, source)}.{alias.name}" for alias in node.names)


def _module(node: ast.ImportFrom, source: Path) -> str:
    if not node.level:
        return node.module or ""
    package = source.relative_to(ROOT).parent.parts
    return ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])


def _sources(place: str) -> list[Path]:
    path = ROOT / place
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


@pytest.mark.parametrize("place", FORBIDDEN)
def test_imports_point_one_way(place):
    sources = _sources(place)
    assert sources, f"{place} has no Python files: mend the table of this test"
    wrong = [
        f"{source.relative_to(ROOT)} imports {name}"
        for source in sources
        for name in _imported(source)
        if any(f"{name}.".startswith(f"{barred}.") for barred in FORBIDDEN[place])
    ]
    assert wrong == []


def test_relative_and_nested_imports_are_seen(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.unit.test_imports.ROOT", tmp_path)
    source = tmp_path / "jobs_app" / "agents" / "bad.py"
    source.parent.mkdir(parents=True)
    source.write_text("def late():\n    from ..models import Job\n    import django.db\n")
    assert set(_imported(source)) == {"jobs_app.models.Job", "django.db"}
