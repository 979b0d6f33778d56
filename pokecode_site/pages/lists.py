"""What a list takes from its address: the filters that it offers, and a search of a few words.

Django would let any viewer ask with any lookup of any field: a regular expression can keep the
database, and with SQLite the whole process, busy for hours.
"""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import get_fields_from_path
from django.contrib.admin.views.main import SEARCH_VAR, ChangeList, ChangeListSearchForm
from django.core.exceptions import ValidationError
from django.db import DataError, models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.text import smart_split
from django.utils.timezone import is_naive, make_aware

SEARCH_LENGTH = 500
SEARCH_WORDS = 16
"""Each word is looked for in each of the searched fields of each row."""

FILTER_SUFFIXES = ("", "__exact", "__isnull", "__id__exact")
DATE_FILTER_SUFFIXES = ("__gte", "__lt", "__isnull")
"""What the admin's filters on a field, and on a date, append to its name."""

DATE_HIERARCHY_SUFFIXES = ("__year", "__month", "__day")

REFUSED = "The list has no such filter, or the filter no such value: all rows are shown."


def validate_search(text: str) -> None:
    if len(text) > SEARCH_LENGTH or len(list(smart_split(text))) > SEARCH_WORDS:
        raise ValidationError(
            f"Search for at most {SEARCH_WORDS} words and {SEARCH_LENGTH} characters; "
            "words in double quotes count as one."
        )


class SearchForm(ChangeListSearchForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields[SEARCH_VAR] = forms.CharField(
            required=False, strip=False, validators=[validate_search]
        )


class BoundedChangeList(ChangeList):
    search_form_class = SearchForm

    def get_filters_params(self, params: Any = None) -> dict[str, list[str]]:
        """One value for each filter, as its choices are: a thousand are too many for SQLite."""
        asked = super().get_filters_params(params)
        return {name: [_with_zone(name, values[-1])] for name, values in asked.items()}

    def get_ordering(self, *args: Any) -> Any:
        """Each column once, however often the address names it."""
        return list(dict.fromkeys(super().get_ordering(*args)))


def _with_zone(name: str, value: str) -> str:
    """A moment that was typed by hand is one of the site's time zone."""
    if not name.endswith(("__gte", "__lt")):
        return value
    try:
        moment = models.DateTimeField().to_python(value)
    except ValidationError:  # refused by the filter
        return value
    return make_aware(moment).isoformat() if moment and is_naive(moment) else value


class BoundedList(admin.ModelAdmin):
    """Goes before the admin class of every list: see `bounded`."""

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        return lookup in self._offered_lookups(request)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return BoundedChangeList

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        try:
            return super().get_changelist_instance(request)
        except (
            IncorrectLookupParameters,
            DisallowedModelAdminLookup,
            DataError,
            OverflowError,
        ) as error:
            messages.warning(request, REFUSED)
            raise IncorrectLookupParameters from error

    def response_action(
        self, request: HttpRequest, queryset: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        try:
            for chosen in request.POST.getlist(ACTION_CHECKBOX_NAME):
                self.opts.pk.to_python(chosen)
        except ValidationError:
            messages.error(request, "A selected row is none of the list: nothing was done.")
            return HttpResponseRedirect(request.get_full_path())
        return super().response_action(request, queryset, *args, **kwargs)

    def _offered_lookups(self, request: HttpRequest | None) -> set[str]:
        offered = set(getattr(self, "linked_lookups", ()))
        for each in self.get_list_filter(request):  # type: ignore[arg-type]
            if isinstance(each, type) and issubclass(each, admin.SimpleListFilter):
                offered.add(str(each.parameter_name))
            else:
                name: Any = each if isinstance(each, str) else each[0]  # type: ignore[index]
                offered |= self._of_filter(name)
        if self.date_hierarchy:
            offered |= {f"{self.date_hierarchy}{suffix}" for suffix in DATE_HIERARCHY_SUFFIXES}
        return offered

    def _of_filter(self, name: str) -> set[str]:
        field = get_fields_from_path(self.model, name)[-1]
        is_date = isinstance(field, models.DateField)
        return {name + each for each in (DATE_FILTER_SUFFIXES if is_date else FILTER_SUFFIXES)}


def bounded(admin_class: type[admin.ModelAdmin]) -> type[admin.ModelAdmin]:
    return type(admin_class.__name__, (BoundedList, admin_class), {})
