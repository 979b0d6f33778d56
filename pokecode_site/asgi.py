"""The site for any ASGI server."""

from django.core.asgi import get_asgi_application

from pokecode_site.conf import start

start.prepare()
application = get_asgi_application()
