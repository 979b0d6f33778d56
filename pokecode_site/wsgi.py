"""The site for any WSGI server."""

from django.core.wsgi import get_wsgi_application

from pokecode_site.conf import start

start.prepare()
application = get_wsgi_application()
