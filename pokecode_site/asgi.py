"""The site for any ASGI server."""

from django.core.asgi import get_asgi_application

from pokecode_site.conf import start
from pokecode_site.pages.request_bodies import LimitedBodies

start.prepare()
application = LimitedBodies(get_asgi_application())
