"""The admin site: titles and the dashboard on its first page."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path

from pokecode_site.pages import dashboard


class PokeCodeAdminSite(admin.AdminSite):
    site_title = "PokéCode"
    site_header = "PokéCode"
    index_title = "Control room"
    index_template = "pokecode_site/index.html"
    site_url = None

    def get_urls(self) -> list[URLPattern | URLResolver]:
        view = self.admin_view(self.dashboard_view)
        return [path("dashboard/", view, name="dashboard"), *super().get_urls()]

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        return super().index(request, {**dashboard.context(request), **(extra_context or {})})

    def dashboard_view(self, request: HttpRequest) -> HttpResponse:
        """The part of the first page that keeps itself up to date."""
        return render(request, "pokecode_site/dashboard.html", dashboard.context(request))
