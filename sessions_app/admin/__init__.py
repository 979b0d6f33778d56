"""Sessions and messages in the admin, and what all admin pages share (`base`, `forms`)."""

from sessions_app.admin.messages import MessageAdmin

__all__ = ["MessageAdmin"]
