"""Who a visitor is believed to be: the requested host name, and the address behind proxies."""

import ipaddress
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.request import split_domain_port

OWN_HOSTNAME = "pokecode.localhost"
SHARED_HOSTNAMES = {"localhost", "127.0.0.1", "[::1]"}


def own_hostname(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Move a browser from a shared loopback name to our own.

    Cookies ignore ports: a development server that an agent started on
    localhost would be sent the login of whoever also opened PokéCode there.
    Only a visitor who wants a page is moved; scripts and health checks hold no
    such cookie. A host that is not allowed is refused here, before any page.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        domain, port = split_domain_port(request.get_host())
        if domain in SHARED_HOSTNAMES and _wants_page(request):
            return HttpResponseRedirect(_at_own_hostname(request, port))
        return get_response(request)

    return middleware


def _wants_page(request: HttpRequest) -> bool:
    return (
        OWN_HOSTNAME in settings.ALLOWED_HOSTS
        and request.method in {"GET", "HEAD"}
        and "text/html" in request.headers.get("Accept", "")
    )


def _at_own_hostname(request: HttpRequest, port: str) -> str:
    netloc = f"{OWN_HOSTNAME}:{port}" if port else OWN_HOSTNAME
    return f"{request.scheme}://{netloc}{request.get_full_path()}"


def client_address(request: HttpRequest) -> str | None:
    """The visitor's address: the peer's, or the one that the trusted proxies report."""
    forwarded = request.headers.get("X-Forwarded-For", "").split(",")
    count = settings.POKECODE_TRUSTED_PROXIES
    claimed = _address(forwarded[-count]) if 0 < count <= len(forwarded) else None
    return claimed or _address(request.META.get("REMOTE_ADDR", ""))


def _address(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        return None
