"""The addresses of the web process."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from jobsite import views
from scheduling.views.function_fields import function_fields
from scheduling.views.preview import schedule_preview

admin.site.site_header = admin.site.site_title = "Jobsite"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("admin/", admin.site.urls),
    path("scheduling/function-fields/", function_fields, name="function_fields"),
    path("scheduling/schedule-preview/", schedule_preview, name="schedule_preview"),
    path("i18n/", include("django.conf.urls.i18n")),
    path("healthz", views.healthz, name="healthz"),
]
