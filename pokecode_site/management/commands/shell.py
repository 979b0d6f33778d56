"""Django's shell, in which `Session` is an agent's and not the login's."""

from django.core.management.commands import shell

OURS = ("sessions_app.", "jobs_app.")


class Command(shell.Command):
    def get_auto_imports(self) -> list[str]:
        """Model paths; of two with one name the later is taken, so ours come last."""
        return sorted(super().get_auto_imports() or (), key=lambda path: path.startswith(OURS))
