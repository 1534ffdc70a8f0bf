"""Verbs of pools: ``manage.py pool pause KEY…``."""

from __future__ import annotations

import argparse
from typing import Any, ClassVar

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from scheduling.management.verbs import VerbCommand
from scheduling.models import Pool
from scheduling.services import pools
from scheduling.words import did_you_mean


def pool_by_key(key: str) -> Pool:
    """The pool; raises CommandError that names the nearest keys."""
    pool = Pool.objects.filter(key=key).first()
    if pool is None:
        keys = list(Pool.objects.values_list("key", flat=True)[:2_000])
        raise CommandError(_("There is no pool %(key)r.") % {"key": key} + did_you_mean(key, keys))
    return pool


class Command(VerbCommand):
    help = _("Lists pools, and pauses and resumes them.")
    verbs: ClassVar[dict[str, Any]] = {
        "list": _("List the pools, what they hold, and what is queued for them."),
        "pause": _("Nothing of the pools starts any more, whoever asked for it; what runs goes on."),
        "resume": _("Let the pools go on."),
    }

    def add_verb_arguments(self, verb: str, parser: argparse.ArgumentParser) -> None:
        if verb != "list":
            parser.add_argument("keys", nargs="+", metavar="KEY")

    def verb_list(self, options: dict[str, Any]) -> None:
        found = list(Pool.objects.order_by("key"))
        usage = pools.usage(pool.pk for pool in found)
        for pool in found:
            self.stdout.write(self.told(pool, usage.get(pool.pk, pools.Usage()), options))

    def verb_pause(self, options: dict[str, Any]) -> None:
        self._set(options, pools.pause)

    def verb_resume(self, options: dict[str, Any]) -> None:
        self._set(options, pools.resume)

    def _set(self, options: dict[str, Any], verb: Any) -> None:
        def work(key: str) -> str:
            pool = verb(pool_by_key(key).pk, actor=self.actor(options))
            return self.told(pool, pools.usage([pool.pk]).get(pool.pk, pools.Usage()), options)

        self.each(options["keys"], work)

    def told(self, pool: Pool, usage: pools.Usage, options: dict[str, Any]) -> str:
        row = {
            "key": pool.key, "name": pool.name, "paused": pool.paused, "capacity": pool.capacity,
            "used": usage.used, "running": usage.running, "queued": usage.queued,
        }  # fmt: skip
        state = _("paused") if pool.paused else _("active")
        text = f"{pool.key:<40} {state:<10} {usage.used}/{pool.capacity} {usage.queued}"
        return self.show(row, text, options)
