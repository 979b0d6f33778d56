"""Health checks for a supervisor: no login, no details, and whatever name it has for us."""

import ipaddress
from collections.abc import Callable

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

PATHS = {"/health/live", "/health/ready"}

GetResponse = Callable[[HttpRequest], HttpResponse]


def known_by_any_name(get_response: GetResponse) -> GetResponse:
    """Let a program on this machine ask for our health by any host name or address.

    A proxy's visitors come from this machine too: hence the answers tell nothing.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path_info in PATHS and _is_local(request):
            request.META["HTTP_HOST"] = settings.ALLOWED_HOSTS[0]
        return get_response(request)

    return middleware


def _is_local(request: HttpRequest) -> bool:
    peer = request.META.get("REMOTE_ADDR")
    if not peer:
        return True  # a Unix socket's
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """200 while this process answers."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """200 while the database also answers, otherwise 503."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return HttpResponse("unavailable\n", content_type="text/plain", status=503)
    return HttpResponse("ok\n", content_type="text/plain")
