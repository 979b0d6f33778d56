from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from pokecode_site.pages import health

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("health/live", health.live, name="health-live"),
    path("health/ready", health.ready, name="health-ready"),
    path("admin/", admin.site.urls),
]

handler400 = "pokecode_site.pages.errors.bad_request"
handler500 = "pokecode_site.pages.errors.server_error"
