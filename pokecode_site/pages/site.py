"""The admin site: titles and the dashboard on its first page."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path

from pokecode_site.pages import dashboard
from pokecode_site.pages.lists import bounded, validate_search
from sessions_app.validation import sentences


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

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Every list is bounded, also those that other apps register."""
        given = bounded(admin_class or admin.ModelAdmin)
        super().register(model_or_iterable, given, **options)

    def autocomplete_view(self, request: HttpRequest) -> HttpResponse:
        try:
            validate_search(request.GET.get("term", ""))
        except ValidationError as refusal:
            return HttpResponse(sentences(refusal), content_type="text/plain", status=400)
        return super().autocomplete_view(request)
