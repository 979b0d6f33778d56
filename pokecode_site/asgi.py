"""The site for any ASGI server."""

from django.core.asgi import get_asgi_application

from pokecode_site.conf import start
from pokecode_site.pages.nonsense import Utf8ASGIRequest

start.prepare()
application = get_asgi_application()
application.request_class = Utf8ASGIRequest
