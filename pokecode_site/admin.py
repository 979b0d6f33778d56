"""Where Django looks for the site's part of the admin: the session's page, users and groups."""

from django.contrib import admin
from django.contrib.auth.models import Group, User

from pokecode_site.pages.sessions import WorkspaceAdmin
from pokecode_site.pages.users import CarefulGroupAdmin, CarefulUserAdmin

__all__ = ["WorkspaceAdmin"]

# Django's own, which the import of ours has registered.
admin.site.unregister([User, Group])
admin.site.register(User, CarefulUserAdmin)
admin.site.register(Group, CarefulGroupAdmin)
