from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SchedulingConfig(AppConfig):
    name = "scheduling"
    verbose_name = _("Scheduling")

    def ready(self) -> None:
        from scheduling import checks, clock, registry, sql  # noqa: F401  (checks register themselves)

        clock.install(clock.DatabaseClock(sql.now))
        registry.autodiscover()
