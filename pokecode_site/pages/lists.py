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
from django.contrib.admin.views.main import SEARCH_VAR, ChangeList, ChangeListSearchForm
from django.core.exceptions import ValidationError
from django.db import DataError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.text import smart_split

SEARCH_LENGTH = 500
SEARCH_WORDS = 16
"""Each word is looked for in each of the searched fields of each row."""

FILTER_SUFFIXES = ("", "__exact", "__isnull", "__gte", "__lt", "__id__exact")
"""What the admin's filters on a field append to its name."""

DATE_SUFFIXES = ("__year", "__month", "__day")

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

    def get_ordering(self, *args: Any) -> Any:
        """Each column once, however often the address names it."""
        return list(dict.fromkeys(super().get_ordering(*args)))


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
                name = each if isinstance(each, str) else each[0]  # type: ignore[index]
                offered |= {f"{name}{suffix}" for suffix in FILTER_SUFFIXES}
        if self.date_hierarchy:
            offered |= {f"{self.date_hierarchy}{suffix}" for suffix in DATE_SUFFIXES}
        return offered


def bounded(admin_class: type[admin.ModelAdmin]) -> type[admin.ModelAdmin]:
    return type(admin_class.__name__, (BoundedList, admin_class), {})
