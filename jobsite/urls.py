"""The addresses of the web process."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from django.utils.translation import gettext_lazy as _
from django.views.generic import RedirectView
from django.views.i18n import JavaScriptCatalog

from jobsite import views
from scheduling.views import health as scheduler_health

admin.site.site_header = admin.site.site_title = "Jobsite"
admin.site.index_title = _("Home")

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("admin/time-zone/", admin.site.admin_view(views.time_zone), name="time_zone"),
    # Before the admin's own, which knows Django's translations only, and those are not complete.
    path("admin/jsi18n/", JavaScriptCatalog.as_view(), name="jsi18n"),
    path("admin/", admin.site.urls),
    path("scheduler/", include("scheduling.urls")),
    path("i18n/", include("django.conf.urls.i18n")),
    path("api/v1/", include("jobsite.rest.urls")),
    path("healthz", views.healthz, name="healthz"),
    path("healthz/scheduler", scheduler_health.show, name="healthz-scheduler"),
    path("readyz", views.readyz, name="readyz"),
]
