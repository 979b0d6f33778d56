"""Who a visitor is believed to be: the host name asked for and the address behind proxies."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

OWN_HOSTNAME = "pokecode.localhost"
SHARED_HOSTNAMES = {"localhost", "127.0.0.1", "[::1]"}


def own_hostname(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Move a browser from a shared loopback name to our own.

    Cookies ignore ports: a development server that an agent started on
    localhost would be sent the login of whoever also opened PokéCode there.
    Only a browser's own navigation is moved (it says so in Sec-Fetch-Mode);
    scripts and health probes hold no such cookie.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        host, _, port = request.get_host().rpartition(":")
        host = host or port
        if (
            host in SHARED_HOSTNAMES
            and OWN_HOSTNAME in settings.ALLOWED_HOSTS
            and request.method == "GET"
            and request.headers.get("Sec-Fetch-Mode") == "navigate"
        ):
            return HttpResponseRedirect(_at_own_hostname(request, port))
        return get_response(request)

    return middleware


def _at_own_hostname(request: HttpRequest, port: str) -> str:
    netloc = f"{OWN_HOSTNAME}:{port}" if port.isdigit() else OWN_HOSTNAME
    return f"{request.scheme}://{netloc}{request.get_full_path()}"


def client_address(request: HttpRequest) -> str:
    """The visitor's address: the peer, or what the trusted proxies say was theirs."""
    peer = str(request.META.get("REMOTE_ADDR", ""))
    count = settings.POKECODE_TRUSTED_PROXIES
    forwarded = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",")]
    if count and len(forwarded) >= count and forwarded[-count]:
        return forwarded[-count]
    return peer
