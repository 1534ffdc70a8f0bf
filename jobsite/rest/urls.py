"""``/api/v1/``: the addresses of both apps, the document that describes them, and its page."""

from __future__ import annotations

from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularAPIView
from rest_framework.routers import SimpleRouter

from instances.api.urls import routes as instances_routes
from instances.api.urls import urlpatterns as instances_urls
from jobsite.rest.docs import docs
from jobsite.rest.tokens import TokenViewSet
from jobsite.rest.views import NoSuchPlace
from scheduling.api.urls import routes as scheduling_routes
from scheduling.api.urls import urlpatterns as scheduling_urls

router = SimpleRouter()
for prefix, viewset, name in (*scheduling_routes, *instances_routes, ("tokens", TokenViewSet, "token")):
    router.register(prefix, viewset, basename=name)

app_name = "api"
urlpatterns = [
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", docs, name="docs"),
    path("", include(scheduling_urls)),
    path("", include(instances_urls)),
    path("", include(router.urls)),
    re_path(r"", NoSuchPlace.as_view(), name="nowhere"),
]
