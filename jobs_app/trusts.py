"""Which projects are trusted, so that their own agent settings (hooks, MCP servers) take effect."""

from collections.abc import Sequence

from jobs_app.models import ProjectTrust


def is_trusted(project_path: str) -> bool:
    return ProjectTrust.objects.filter(path=project_path).exists()


def trust(paths: Sequence[str], by: str) -> int:
    """Trust these project paths; returns how many were not trusted before."""
    before = ProjectTrust.objects.count()
    rows = [ProjectTrust(path=path, trusted_by=by) for path in paths]
    ProjectTrust.objects.bulk_create(rows, ignore_conflicts=True)
    return ProjectTrust.objects.count() - before
