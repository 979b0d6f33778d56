"""The site for any WSGI server."""

from django.core.wsgi import get_wsgi_application

from pokecode_site.conf import start
from pokecode_site.pages.nonsense import Utf8WSGIRequest

start.prepare()
application = get_wsgi_application()
application.request_class = Utf8WSGIRequest
