"""Where a person goes on whose form was not taken, because the login had expired or the form was
older than it: back to the page with the form, never to an address that only acts."""

from urllib.parse import unquote, urlsplit

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import (
    NoReverseMatch,
    Resolver404,
    ResolverMatch,
    get_script_prefix,
    resolve,
    reverse,
)
from django.utils.http import url_has_allowed_host_and_scheme

PAGES = {"index", "login", "changelist", "add", "change", "delete", "history"}
"""How the names of addresses end that show a page."""


def page_of(request: HttpRequest) -> str:
    """The page of this form: its own address, else the page that it came from, else the page of
    what it would have acted on."""
    here = request.get_full_path()
    for address in (here, _came_from(request)):
        if _word(address) in PAGES:
            return address
    return _page_of_object(here) or reverse("admin:index")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """What to do, for people: most have logged in anew in another tab."""
    context = {"page": page_of(request)}
    return render(request, "pokecode_site/csrf_failure.html", context, status=403)


def _came_from(request: HttpRequest) -> str:
    """The path and query that the browser names, if they are our own."""
    named = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(named, {request.get_host()}, request.is_secure()):
        return ""
    address = urlsplit(named)._replace(scheme="", netloc="", fragment="").geturl()
    return address if url_has_allowed_host_and_scheme(address, None) else ""


def _page_of_object(address: str) -> str | None:
    match = _match(address)
    if match is None or "object_id" not in match.kwargs:
        return None
    model, _, _ = (match.url_name or "").rpartition("_")
    try:
        return reverse(f"admin:{model}_change", args=[match.kwargs["object_id"]])
    except NoReverseMatch:
        return None


def _word(address: str) -> str:
    match = _match(address)
    return (match.url_name or "").rpartition("_")[2] if match else ""


def _match(address: str) -> ResolverMatch | None:
    path = unquote(urlsplit(address).path).removeprefix(get_script_prefix().rstrip("/"))
    try:
        return resolve(path)
    except Resolver404:
        return None
