"""What every admin page here shares: lists that stay quick on big tables, deletions that the
database cascades, and refusals that are one sentence."""

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import unquote
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.functional import cached_property

from sessions_app.display.html import link, page_url
from sessions_app.fields import CascadeForeignKey
from sessions_app.models import Session

COUNT_LIMIT = 5000
"""Rows that a list counts and pages through: counting a million takes seconds."""

ACTION_LIMIT = 900
"""Rows that one action takes: the page that confirms a deletion has a form field for each, and
Django refuses a form with more than 1,000."""


FILTERS = "_changelist_filters"
"""Django's name for the query of the list from which a person came."""


class LimitedPaginator(Paginator):
    """Counts no further than COUNT_LIMIT; the list's footer says so."""

    @cached_property
    def _counted(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by().values("pk")[: COUNT_LIMIT + 1].count())

    @cached_property
    def count(self) -> int:
        return min(self._counted, COUNT_LIMIT)

    @property
    def goes_on(self) -> bool:
        return self._counted > COUNT_LIMIT


class BaseAdmin(admin.ModelAdmin):
    paginator = LimitedPaginator
    show_full_result_count = False
    list_max_show_all = 0
    list_per_page = 50
    show_facets = admin.ShowFacets.NEVER
    empty_value_display = "—"
    linked_lookups: Sequence[str] = ()
    """Lookups that no filter of the list offers, but links of our own pages use."""

    class Media:
        css = {"all": ["sessions_app/admin.css"]}

    def may_steer(self, request: HttpRequest) -> bool:
        """Whether this person may set what reaches an agent. Who may is for the app that runs
        agents to say."""
        return True

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any], *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        """An action that is refused changes nothing, its log entries included."""
        try:
            with transaction.atomic():
                if request.POST.get("select_across", "0") != "0":
                    _require_few(queryset)
                return super().response_action(request, queryset, *args, **kwargs)
        except ValidationError as refusal:
            return self.refuse(request, refusal, request.get_full_path())

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        try:
            return super().delete_view(request, object_id, extra_context)
        except ValidationError as refusal:
            page = page_url(self.model, unquote(object_id))
            return self.refuse(request, refusal, self.keep_filters(request, page))

    def get_preserved_filters(self, request: HttpRequest) -> str:
        """Django's; a form that only acts sends them along."""
        sent = request.POST.get(FILTERS)
        return super().get_preserved_filters(request) or (
            urlencode({FILTERS: sent}) if sent else ""
        )

    def keep_filters(self, request: HttpRequest, url: str) -> str:
        """An address that leads on to the list as the person has filtered it."""
        kept = self.get_preserved_filters(request)
        return str(add_preserved_filters({"preserved_filters": kept, "opts": self.opts}, url))

    def refuse(self, request: HttpRequest, refusal: ValidationError, url: str) -> HttpResponse:
        for sentence in refusal.messages:
            self.message_user(request, sentence, messages.ERROR)
        return HttpResponseRedirect(url)

    def get_deleted_objects(self, objs: Iterable[Any], request: HttpRequest) -> Any:
        """Django's answer, and what the database deletes by itself, which Django does not see."""
        pks = [obj.pk for obj in objs]
        found, counts, lacking, protected = super().get_deleted_objects(objs, request)  # type: ignore[arg-type]
        for related, count in _cascades(self.model, pks):
            counts[related._meta.verbose_name_plural] = count
            if count and not self._may_delete(request, related):
                lacking.add(related._meta.verbose_name)
        return found, counts, lacking, protected

    def _may_delete(self, request: HttpRequest, model: type[Model]) -> bool:
        pages = self.admin_site._registry.get(model)
        # Rows that only programs write belong to the row that is deleted.
        if pages is None or isinstance(pages, ReadOnlyMixin):
            return True
        return pages.has_delete_permission(request)


def log_changes(request: HttpRequest, rows: list[Any], message: str) -> None:
    """Note in the admin's log who did this to these rows."""
    if rows:
        LogEntry.objects.log_actions(request.user.pk, rows, CHANGE, message)  # type: ignore[arg-type]


def _require_few(queryset: QuerySet[Any]) -> None:
    if queryset.order_by().values("pk")[: ACTION_LIMIT + 1].count() > ACTION_LIMIT:
        raise ValidationError(
            f"More than {ACTION_LIMIT} rows are selected: "
            "choose fewer with a filter or a search, then act on those."
        )


def _cascades(model: type[Model], pks: list[Any]) -> list[tuple[type[Any], int]]:
    relations = [
        relation
        for relation in model._meta.related_objects
        if isinstance(relation.field, CascadeForeignKey)
    ]
    return [
        (
            relation.related_model,
            relation.related_model._base_manager.filter(
                **{f"{relation.field.name}__in": pks}
            ).count(),
        )
        for relation in relations
    ]


class ReadOnlyMixin:
    """Rows that only programs write: here they can be read, and nothing else."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class SessionFilter(admin.SimpleListFilter):
    """One session, for those who came by a link: a choice of all sessions would be endless."""

    title = "session"
    parameter_name = "session"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        wanted = request.GET.get(self.parameter_name)
        if not wanted:
            return []
        session = Session.objects.only("name").filter(pk=wanted).first()
        return [(wanted, str(session or "unknown"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(session=self.value()) if self.value() else queryset


class SessionLinkMixin:
    """The column `of_session`."""

    @admin.display(description="session", ordering="session__name")
    def of_session(self, row: Any) -> str:
        return link(Session, row.session_id, str(row.session))


def may_read_messages(request: HttpRequest) -> bool:
    """To see a session is not yet to read what was said in it."""
    names = ("sessions_app.view_sessionmessage", "sessions_app.change_sessionmessage")
    return any(map(request.user.has_perm, names))
