"""Templates of tasks: ``manage.py template create database_backup shop-nightly --set instance=shop``."""

from __future__ import annotations

import argparse
import json
from typing import Any, ClassVar

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from scheduling.exceptions import UnknownTemplate
from scheduling.management.json_rows import task_row
from scheduling.management.verbs import VerbCommand
from scheduling.services import templates
from scheduling.services.templates import Template


class Command(VerbCommand):
    help = _("Lists and shows templates of tasks, and makes tasks of them.")
    verbs: ClassVar[dict[str, Any]] = {
        "list": _("List the templates."),
        "show": _("Show templates with their variables."),
        "create": _("Make a task of a template."),
    }

    def add_verb_arguments(self, verb: str, parser: argparse.ArgumentParser) -> None:
        if verb == "list":
            return
        if verb == "show":
            parser.add_argument("keys", nargs="+", metavar="TEMPLATE")
            return
        parser.add_argument("template", metavar="TEMPLATE")
        parser.add_argument("key", metavar="KEY", help=_("The key of the new task."))
        parser.add_argument(
            "--set", action="append", default=[], metavar="VARIABLE=VALUE", dest="variables",
            help=_("The value of a variable; given again for a list, once for each item."),
        )  # fmt: skip
        parser.add_argument(
            "--override", action="append", default=[], metavar="FIELD=JSON", dest="overrides",
            help=_("A field of the task instead of the template's."),
        )  # fmt: skip

    def verb_list(self, options: dict[str, Any]) -> None:
        for template in templates.all_templates().values():
            self.stdout.write(self.told(template, options))

    def verb_show(self, options: dict[str, Any]) -> None:
        def work(key: str) -> str:
            template = _found(key)
            said = [self.told(template, options)]
            if not options["json"]:
                for one in template.variables:
                    default = "" if one.default is None else f" = {json.dumps(one.default)}"
                    said.append(
                        f"  {one.name:<20} {one.type}{default}  {_(one.help) if one.help else ''}".rstrip()
                    )
            return "\n".join(said)

        self.each(options["keys"], work)

    def verb_create(self, options: dict[str, Any]) -> None:
        template = _found(options["template"])
        variables: dict[str, Any] = {}
        for name, value in _pairs(options["variables"], "--set"):
            is_list = any(one.name == name and one.type == "list" for one in template.variables)
            variables[name] = [*variables.get(name, []), value] if is_list else value
        overrides = {name: _json(name, text) for name, text in _pairs(options["overrides"], "--override")}

        def work(key: str) -> str:
            task = templates.create_task(
                template, key, variables=variables, overrides=overrides, actor=self.actor(options)
            )
            return self.show(task_row(task, None), f"{task.key:<40} {task.name}", options)

        self.each([options["key"]], work)

    def told(self, template: Template, options: dict[str, Any]) -> str:
        return self.show(template.model_dump(), f"{template.key:<30} {_(template.name)}", options)


def _found(key: str) -> Template:
    try:
        return templates.get(key)
    except UnknownTemplate as error:
        raise CommandError(str(error)) from error


def _pairs(given: list[str], option: str) -> list[tuple[str, str]]:
    pairs = [text.partition("=") for text in given]
    for name, sign, _value in pairs:
        if not (name and sign):
            raise CommandError(_("%(option)s needs NAME=VALUE.") % {"option": option})
    return [(name, value) for name, _sign, value in pairs]


def _json(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise CommandError(
            _("--override %(name)s: no JSON: %(error)s") % {"name": name, "error": error}
        ) from error
