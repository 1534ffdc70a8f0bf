"""Verbs of pools: ``manage.py pool set KEY --capacity 5``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
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
    help = _("Makes, changes, pauses, resumes and deletes pools, and lists them with what they hold now.")
    verbs: ClassVar[dict[str, Any]] = {
        "list": _("List the pools with their seats, those that are taken, and what is queued."),
        "create": _("Make a pool."),
        "set": _("Change what a pool holds or lets start; what runs goes on."),
        "pause": _("Nothing of the pools starts any more; what runs goes on."),
        "resume": _("Let the pools go on."),
        "delete": _("Remove pools without tasks."),
    }

    def add_verb_arguments(self, verb: str, parser: argparse.ArgumentParser) -> None:
        if verb in ("pause", "resume", "delete"):
            parser.add_argument("keys", nargs="+", metavar="KEY")
        elif verb in ("create", "set"):
            parser.add_argument("key", metavar="KEY")
            parser.add_argument("--name")
            parser.add_argument(
                "--capacity",
                type=int,
                required=verb == "create",
                help=_("The sum of the weights that may run at the same time, on all nodes together."),
            )
            parser.add_argument(
                "--tokens-per-minute", type=int, metavar="N", help=_("Starts in a minute; 0: any.")
            )

    def verb_list(self, options: dict[str, Any]) -> None:
        rows = list(Pool.objects.order_by("key"))
        held = pools.usage(pool.pk for pool in rows)
        for pool in rows:
            self.stdout.write(self.told(pool, held.get(pool.pk, pools.Usage()), options))

    def verb_create(self, options: dict[str, Any]) -> None:
        self.each([options["key"]], lambda key: self._save(Pool(key=key), options))

    def verb_set(self, options: dict[str, Any]) -> None:
        self.each([options["key"]], lambda key: self._save(pool_by_key(key), options))

    def verb_pause(self, options: dict[str, Any]) -> None:
        self._set_paused(options, pools.pause)

    def verb_resume(self, options: dict[str, Any]) -> None:
        self._set_paused(options, pools.resume)

    def verb_delete(self, options: dict[str, Any]) -> None:
        def work(key: str) -> str:
            pools.delete(pool_by_key(key), actor=self.actor(options))
            return self.show({"key": key, "deleted": True}, _("%(key)s deleted") % {"key": key}, options)

        self.each(options["keys"], work)

    def _set_paused(self, options: dict[str, Any], verb: Callable[..., Pool]) -> None:
        def work(key: str) -> str:
            return self._told_now(verb(pool_by_key(key).pk, actor=self.actor(options)), options)

        self.each(options["keys"], work)

    def _save(self, pool: Pool, options: dict[str, Any]) -> str:
        for name in ("name", "capacity"):
            if options[name] is not None:
                setattr(pool, name, options[name])
        if options["tokens_per_minute"] is not None:
            pool.tokens_per_minute = options["tokens_per_minute"] or None
        return self._told_now(pools.save(pool, actor=self.actor(options)), options)

    def _told_now(self, pool: Pool, options: dict[str, Any]) -> str:
        return self.told(pool, pools.usage([pool.pk]).get(pool.pk, pools.Usage()), options)

    def told(self, pool: Pool, usage: pools.Usage, options: dict[str, Any]) -> str:
        row = {name: getattr(pool, name) for name in pools.EDITABLE}
        row |= {"used": usage.used, "running": usage.running, "queued": usage.queued}
        state = _("paused") if pool.paused else _("active")
        words = f"{pool.key:<40} {state:<10} {usage.used}/{pool.capacity} {usage.queued}"
        if pool.tokens_per_minute:
            words += " " + _("%(number)d a minute") % {"number": pool.tokens_per_minute}
        return self.show(row, words, options)
