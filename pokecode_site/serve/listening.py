"""Where the site listens: opened before anything else, so that a taken port stops the start."""

import ipaddress
import os
import socket

from django.conf import settings
from django.core.management.base import CommandError

from pokecode_site.pages.middleware import OWN_HOSTNAME


def open_socket(host: str, port: int) -> socket.socket:
    """A listening socket; raises CommandError in one sentence if it cannot be had or is unsafe."""
    _refuse_unprotected(host)
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=2048)
    except OSError as error:
        reason = str(error.strerror).partition(" (")[0]
        raise CommandError(
            f"Cannot listen on {host} port {port} ({reason}): choose another with --host or --port."
        ) from None


def address(listener: socket.socket) -> str:
    """The control room's address, under its own name or the first that the site answers to."""
    names = settings.ALLOWED_HOSTS
    name = OWN_HOSTNAME if OWN_HOSTNAME in names else names[0]
    return f"http://{name}:{listener.getsockname()[1]}/admin/"


def _refuse_unprotected(host: str) -> None:
    if _is_loopback(host):
        return
    if settings.POKECODE_DEMO:
        raise CommandError("The demo is served on this machine only: leave out --host.")
    if not os.environ.get("POKECODE_ALLOWED_HOSTS", "").strip():
        raise CommandError(
            f"--host {host} can be reached by others: set POKECODE_ALLOWED_HOSTS to the names "
            "by which people open the site, separated by commas."
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
