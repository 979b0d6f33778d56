"""Where Django looks for the site's part of the admin: the session's page."""

from pokecode_site.pages.sessions import WorkspaceAdmin

__all__ = ["WorkspaceAdmin"]
