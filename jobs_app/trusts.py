"""Which projects are trusted: their own agent settings (hooks, MCP servers) may take effect."""

from collections.abc import Collection, Sequence

from jobs_app.models import ProjectTrust
from sessions_app import bulk

TRUSTED = "SELECT path FROM project_trusts WHERE path {in_keys}"


def is_trusted(project_path: str) -> bool:
    return bool(trusted_paths([project_path]))


def trusted_paths(paths: Collection[str]) -> set[str]:
    """Those of these project paths that are trusted."""
    return {path for (path,) in bulk.select(TRUSTED, list(paths))} if paths else set()


def trust(paths: Sequence[str], by: str) -> int:
    """Trust these project paths; returns how many were not trusted before."""
    before = ProjectTrust.objects.count()
    rows = [ProjectTrust(path=path, trusted_by=by) for path in paths]
    ProjectTrust.objects.bulk_create(rows, ignore_conflicts=True)
    return ProjectTrust.objects.count() - before
