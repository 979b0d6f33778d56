"""Which projects are trusted, so that their own agent settings (hooks, MCP servers) take effect."""

from collections.abc import Sequence

from jobs_app.models import ProjectTrust

TRUST_PROJECT = "jobs_app.trust_project"
"""The permission that it needs."""

TRUSTED = "This project is trusted: its own agent settings take effect."
NOT_TRUSTED = "This project is not trusted: its own hooks, servers and settings stay off."


def is_trusted(project_path: str) -> bool:
    return ProjectTrust.objects.filter(path=project_path).exists()


def trust(paths: Sequence[str], by: str) -> int:
    """Trust these project paths; returns how many were not trusted before."""
    before = ProjectTrust.objects.count()
    rows = [ProjectTrust(path=path, trusted_by=by) for path in paths]
    ProjectTrust.objects.bulk_create(rows, ignore_conflicts=True)
    return ProjectTrust.objects.count() - before
