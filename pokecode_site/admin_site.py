"""The admin site: titles and the dashboard on its first page."""

from django.contrib import admin


class PokeCodeAdminSite(admin.AdminSite):
    site_title = "PokéCode"
    site_header = "PokéCode"
    index_title = "Control room"
