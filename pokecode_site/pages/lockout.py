"""Who guesses passwords is locked out: each login is counted before its password is looked at.

Counted afterwards, as django-axes does by itself, guesses that come at the same moment would all
pass before the first of them counts.
"""

import ipaddress
import logging
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.helpers import get_client_username
from axes.models import AccessAttempt
from django.conf import settings
from django.db import transaction
from django.db.models import F

log = logging.getLogger("axes")

Request = Any
"""An HttpRequest with the attributes that axes gives it."""

ANY_NAME = ""
"""The name in an address's own count: no form takes an empty one."""


class CountFirst(AxesDatabaseHandler):
    """Two counts limit a visitor: of one name at the address, and of all names there."""

    def is_allowed(self, request: Request, credentials: Any = None) -> bool:
        """Counts this login; False where a count is used up."""
        self.clean_expired_user_attempts(request)
        name = get_client_username(request, credentials)
        name_left = _count(request, name, settings.AXES_FAILURE_LIMIT)
        if name_left is not None:
            address_left = _count(request, ANY_NAME, settings.LOGIN_ADDRESS_LIMIT)
        else:
            address_left = None
        request.is_over = not (name_left and address_left)
        return address_left is not None

    def user_login_failed(
        self, sender: Any, credentials: dict[str, Any], request: Request = None, **kwargs: Any
    ) -> None:
        """It is counted already: what is left is to say so."""
        name = get_client_username(request, credentials)
        log.warning("Login failed for %r from %s.", name, request.axes_ip_address)
        request.axes_credentials = credentials
        request.axes_locked_out = request.is_over

    def reset_user_attempts(self, request: Request, credentials: Any = None) -> int:
        """After a success: the name starts anew, and the address gets this one login back."""
        used = AccessAttempt.objects.filter(**_key(request, ANY_NAME), failures_since_start__gt=0)
        used.update(failures_since_start=F("failures_since_start") - 1)
        name = get_client_username(request, credentials)
        return AccessAttempt.objects.filter(**_key(request, name)).delete()[0]


def _count(request: Request, name: str, limit: int) -> int | None:
    """One login more; how many are left after it, or None if none was left for it."""
    key = _key(request, name)
    with transaction.atomic():
        AccessAttempt.objects.get_or_create(**key, defaults={"failures_since_start": 0})
        free = AccessAttempt.objects.filter(**key, failures_since_start__lt=limit)
        counted = {"failures_since_start": F("failures_since_start") + 1}
        if not free.update(**counted, attempt_time=request.axes_attempt_time):
            return None
        return limit - AccessAttempt.objects.get(**key).failures_since_start


def _key(request: Request, name: str) -> dict[str, str]:
    return {"username": name, "ip_address": _block(request.axes_ip_address), "user_agent": ""}


def _block(address: str | None) -> str:
    """An address as it is counted: of IPv6 its network, in which a visitor has every address."""
    found = ipaddress.ip_address(address or "::")
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Address(int(found) >> 64 << 64))
