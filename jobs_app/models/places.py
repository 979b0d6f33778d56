"""Which database this is, and which projects are trusted."""

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone

from sessions_app.fields import JSONTextField
from sessions_app.visible import visible


class DatabaseIdentity(models.Model):
    """Which database this is, in a single row: in a copy it is still the original's (`copies`)."""

    id = models.SmallIntegerField(primary_key=True, default=1, editable=False)
    identity = JSONTextField()

    class Meta:
        db_table = "database_identity"

    def __str__(self) -> str:
        return "identity"


class ProjectTrust(models.Model):
    """A project whose own agent settings (hooks, MCP servers, environment) may take effect."""

    path = models.TextField(primary_key=True)
    trusted_by = models.TextField(help_text="Who said so: a user name, or the shell's.")
    trusted_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "project_trusts"
        verbose_name = "trusted project"
        permissions = [("trust_project", "Can trust a project's own agent settings (runs code)")]

    def __str__(self) -> str:
        return visible(self.path)

    def clean(self) -> None:
        from sessions_app.projects.directories import resolve_project

        if not self.path:
            raise ValidationError("Give the project's directory.")
        self.path = str(resolve_project(self.path))
