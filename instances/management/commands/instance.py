"""Verbs of managed instances: ``manage.py instance test NAME…``, ``instance collect --all``."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from instances.models import Instance, SizeLimit
from instances.services import figures, instances, limits, requests, visits
from scheduling.management.json_rows import execution_row
from scheduling.management.verbs import VerbCommand
from scheduling.words import did_you_mean

#: What can be collected.
COLLECTIONS = {"sizes": requests.collect_sizes, "accounts": requests.collect_accounts}

#: In the place of a size.
NO_LIMIT = "none"


def instance_by_name(name: str) -> Instance:
    """The instance, also one in the recycle bin; raises CommandError that names the nearest."""
    instance = Instance.objects.select_related("credential").filter(name=name).first()
    if instance is None:
        names = list(Instance.objects.values_list("name", flat=True)[:2_000])
        raise CommandError(_("There is no instance %(name)r.") % {"name": name} + did_you_mean(name, names))
    return instance


class Command(VerbCommand):
    help = _("Lists instances, tests them, collects from them, sets limits, deletes and restores them.")
    verbs: ClassVar[dict[str, Any]] = {
        "list": _("List the instances with their state and size."),
        "test": _("Connect now, and write down what came of it."),
        "collect": _("Ask for a collection of sizes or accounts now; a running scheduler does it."),
        "limit": _("Set how large an instance, or one of its databases, may become."),
        "delete": _("Move instances to the recycle bin."),
        "restore": _("Take instances out of the recycle bin."),
    }

    def add_verb_arguments(self, verb: str, parser: argparse.ArgumentParser) -> None:
        if verb == "list":
            parser.add_argument("--deleted", action="store_true", help=_("Those in the recycle bin."))
            return
        if verb == "limit":
            parser.add_argument("name", metavar="NAME")
            parser.add_argument("size", metavar="SIZE", help=_("Such as 500GiB, or none to take it away."))
            parser.add_argument("--database", default="", help=_("One of its databases; none: the instance."))
            return
        several = verb in ("test", "collect")
        parser.add_argument("names", nargs="*" if several else "+", metavar="NAME")
        if several:
            parser.add_argument("--all", action="store_true", help=_("All active instances."))
        if verb == "collect":
            parser.add_argument("--what", choices=COLLECTIONS, default="sizes", help=_("Default: sizes."))

    def verb_list(self, options: dict[str, Any]) -> None:
        rows = list(Instance.objects.filter(deleted_at__isnull=not options["deleted"]).order_by("name"))
        totals = figures.newest_totals([row.pk for row in rows])
        for row in rows:
            _day, total = totals.get(row.pk, (None, None))
            self.stdout.write(self.told(row, options, total_bytes=total))

    def verb_test(self, options: dict[str, Any]) -> None:
        chosen = self._chosen(options)
        outcomes = {
            instance.name: outcome
            for instance, outcome in instances.test_connections(chosen, actor=self.actor(options))
        }
        by_name = {instance.name: instance for instance in chosen}

        def work(name: str) -> str:
            outcome = outcomes[name]
            if isinstance(outcome, BaseException):
                raise CommandError(visits.sentence(outcome))
            rights = None if outcome.rights is None else dataclasses.asdict(outcome.rights)
            more = {"latency_ms": outcome.latency_ms, "product": outcome.product, "rights": rights}
            missing = [] if rights is None or options["json"] else rights["missing"]
            lines = [f"  {_('missing:')} {one['purpose']}: {one['statement']}" for one in missing]
            return "\n".join([self.told(by_name[name], options, **more), *lines])

        self.each(by_name, work)

    def verb_collect(self, options: dict[str, Any]) -> None:
        chosen = self._chosen(options)

        def work(_names: str) -> str:
            execution = COLLECTIONS[options["what"]](chosen, actor=self.actor(options))
            words = f"#{execution.pk} {execution.state} {execution.detail}".rstrip()
            return self.show(execution_row(execution), words, options)

        self.each([", ".join(instance.name for instance in chosen)], work)

    def verb_limit(self, options: dict[str, Any]) -> None:
        def work(name: str) -> str:
            instance = instance_by_name(name)
            found = SizeLimit.objects.filter(instance=instance, database=options["database"]).first()
            if options["size"] == NO_LIMIT:
                if found is None:
                    raise CommandError(_("It has no limit."))
                limits.delete(found, actor=self.actor(options))
                return self.told(instance, options, limit_bytes=None)
            limit = found or SizeLimit(instance=instance, database=options["database"])
            limit.limit_bytes = limits.bytes_of(options["size"])
            limits.save(limit, actor=self.actor(options))
            return self.told(instance, options, limit_bytes=limit.limit_bytes, full_on=limit.full_on)

        self.each([options["name"]], work)

    def verb_delete(self, options: dict[str, Any]) -> None:
        self._move(options, instances.delete)

    def verb_restore(self, options: dict[str, Any]) -> None:
        self._move(options, instances.restore)

    def _move(self, options: dict[str, Any], verb: Callable[..., None]) -> None:
        def work(name: str) -> str:
            instance = instance_by_name(name)
            verb(instance, actor=self.actor(options))
            return self.told(instance, options)

        self.each(options["names"], work)

    def _chosen(self, options: dict[str, Any]) -> list[Instance]:
        """The named ones, or all active ones. Raises CommandError before anything is done."""
        if bool(options["names"]) == options["all"]:
            raise CommandError(_("Give either names or --all."))
        if options["all"]:
            return list(Instance.objects.collectable())
        chosen = [instance_by_name(name) for name in dict.fromkeys(options["names"])]
        for instance in chosen:
            if instance.deleted_at is not None:
                raise CommandError(_("%(name)s is in the recycle bin.") % {"name": instance.name})
        return chosen

    def told(self, instance: Instance, options: dict[str, Any], **more: Any) -> str:
        row = {
            "name": instance.name,
            "dialect": instance.dialect,
            "host": instance.host,
            "port": instance.effective_port,
            "database": instance.database,
            "active": instance.active,
            "status": instance.status,
            "error": instance.last_error or None,
            "version": instance.main_version,
            "last_connected_at": instance.last_connected_at,
            "deleted_at": instance.deleted_at,
            **more,
        }
        state = _("in the recycle bin") if instance.deleted_at else instance.status
        place = f"{instance.host}:{instance.effective_port}" if instance.host else instance.database
        words = f"{instance.name:<40} {state:<10} {instance.dialect:<12} {place} {instance.main_version}"
        return self.show(row, words.rstrip(), options)
