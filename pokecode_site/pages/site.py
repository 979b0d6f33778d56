"""The admin site: titles, the dashboard on its first page, and what an expired login leads to."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.views.decorators.http import require_GET

from pokecode_site.pages import dashboard
from pokecode_site.pages.inbox import Inbox
from pokecode_site.pages.lists import bounded, validate_search
from pokecode_site.pages.returning import page_of
from sessions_app.validation import sentences

EXPIRED = "Your login had expired, so nothing was done. Log in, then send it once more."


class PokeCodeAdminSite(admin.AdminSite):
    site_title = "PokéCode"
    site_header = "PokéCode"
    index_title = "Control room"
    index_template = "pokecode_site/index.html"
    site_url = None

    def get_urls(self) -> list[URLPattern | URLResolver]:
        view = self.admin_view(self.dashboard_view)
        needs = self.admin_view(require_GET(self.needs_view))
        return [
            path("dashboard/", view, name="dashboard"),
            path("needs-you/", needs, name="needs_you"),
            *super().get_urls(),
        ]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """What the header of every page shows."""
        return {**super().each_context(request), "inbox": Inbox(request)}

    def needs_view(self, request: HttpRequest) -> HttpResponse:
        """What waits for this person, for pages that look now and then."""
        inbox = Inbox(request)
        return JsonResponse({"count": inbox.count, "newest": inbox.newest()})

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Any:
        """Django's, which leads a form that came without a login to its own address afterwards."""
        guarded = super().admin_view(view, cacheable)

        @wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            is_form = request.method == "POST" and request.path != reverse("admin:logout")
            if not is_form or self.has_permission(request):
                return guarded(request, *args, **kwargs)
            messages.warning(request, EXPIRED)
            return redirect_to_login(page_of(request), reverse("admin:login"))

        return answer

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
