"""The site for any ASGI server."""

from django.core.asgi import get_asgi_application

from pokecode_site.conf import start
from pokecode_site.pages.nonsense import Utf8ASGIRequest
from pokecode_site.pages.request_bodies import LimitedBodies

start.prepare()
django = get_asgi_application()
django.request_class = Utf8ASGIRequest
application = LimitedBodies(django)
