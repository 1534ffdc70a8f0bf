"""The addresses of the web process."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from jobsite import views

admin.site.site_header = admin.site.site_title = "Jobsite"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("admin/time-zone/", admin.site.admin_view(views.time_zone), name="time_zone"),
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
    path("healthz", views.healthz, name="healthz"),
]
