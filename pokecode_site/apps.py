from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class PokeCodeAdminConfig(admin_apps.AdminConfig):
    """The stock admin app, with our site as the default one."""

    default = False
    default_site = "pokecode_site.pages.site.PokeCodeAdminSite"


class PokeCodeSiteConfig(AppConfig):
    name = "pokecode_site"
    default = True
