from typing import Any

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps
from django.db.backends.signals import connection_created


class PokeCodeAdminConfig(admin_apps.AdminConfig):
    """The stock admin app, with our site as the default one."""

    default = False
    default_site = "pokecode_site.pages.site.PokeCodeAdminSite"


class PokeCodeSiteConfig(AppConfig):
    name = "pokecode_site"
    default = True

    def ready(self) -> None:
        connection_created.connect(_bind_whole_numbers, dispatch_uid="whole numbers")


def _bind_whole_numbers(connection: Any, **kwargs: Any) -> None:
    if connection.vendor == "postgresql":
        from pokecode_site.conf import integers  # psycopg is there only with PostgreSQL

        integers.bind_whole(connection.connection)
