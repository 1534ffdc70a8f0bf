"""Instances as CSV or YAML: written for people to keep, and read back with the fate of each row said first.

No password travels: a row names its credential, which must exist.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from instances.exceptions import FileNotUnderstood
from instances.models import Credential, Instance, Tag
from instances.services import instances
from instances.services.viewers import viewer_of
from jobsite.exports import FORMULA, guarded
from scheduling.services.actor import Actor
from scheduling.sql.transactions import in_transaction
from scheduling.words import did_you_mean

FORMATS = ("csv", "yaml")
COLUMNS = (
    "name", "dialect", "host", "port", "database", "credential", "environment", "tags", "options", "description",
    "active", "restricted_to",
)  # fmt: skip

MOST_BYTES = 2 * 1024 * 1024
MOST_ROWS = 10_000

CREATED, UPDATED, UNCHANGED, REFUSED = "created", "updated", "unchanged", "refused"


@dataclass(slots=True)
class Fate:
    """What became, or would become, of one row."""

    number: int
    name: str
    fate: str
    problems: list[str] = field(default_factory=list)


class _Undo(Exception):
    """Ends a transaction without keeping anything of it."""


def export(rows: Iterable[Instance], format_: str) -> str:
    """The instances, one row each."""
    entries = [_entry(instance) for instance in rows]
    if format_ == "yaml":
        return yaml.safe_dump({"instances": entries}, allow_unicode=True, sort_keys=False)
    output = io.StringIO()
    writer = csv.DictWriter(output, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for entry in entries:
        cells = entry | {
            "tags": ";".join(entry["tags"]),
            "options": json.dumps(entry["options"], ensure_ascii=False) if entry["options"] else "",
            "active": "yes" if entry["active"] else "no",
            "restricted_to": _role_cell(entry["restricted_to"]),
        }
        writer.writerow({name: _guarded(value) for name, value in cells.items()})
    return output.getvalue()


def load(
    text: str,
    format_: str,
    *,
    actor: Actor,
    dry_run: bool = False,
    update: bool = False,
) -> list[Fate]:
    """Creates an instance for each row, and gives the fate of each; what is refused does not stop the others.

    A name that exists is refused, unless ``update`` is asked for; so is a server and database that another instance
    has. Of what is hidden from the actor nothing is told but that its name, or its place, is taken. ``dry_run``
    keeps nothing. Raises ``FileNotUnderstood`` when there are no rows.
    """
    entries = list(_entries(text, format_))
    seen: dict[str, int] = {}

    def write() -> list[Fate]:
        seen.clear()
        fates = [_load(number, raw, seen, actor, update) for number, raw in entries]
        if dry_run:
            raise _Undo(fates)
        return fates

    try:
        return in_transaction(write)
    except _Undo as undo:
        fates: list[Fate] = undo.args[0]
        return fates


def _entry(instance: Instance) -> dict[str, Any]:
    return {
        "name": instance.name,
        "dialect": instance.dialect,
        "host": instance.host,
        "port": instance.port,
        "database": instance.database,
        "credential": instance.credential.name if instance.credential else None,
        "environment": instance.environment,
        "tags": [tag.name for tag in instance.tags.all()],
        "options": instance.options,
        "description": instance.description,
        "active": instance.active,
        "restricted_to": sorted(role.name for role in instance.restricted_to.all()),
    }


def _guarded(value: Any) -> Any:
    return guarded("" if value is None else str(value))


def _unguarded(text: str) -> str:
    return text[1:] if text[:1] == "'" and text[1:].startswith(FORMULA) else text


# --- Reading -----------------------------------------------------------------------------------------------------


def _entries(text: str, format_: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each row with its number: the line of a CSV file, the place in a YAML list."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise FileNotUnderstood(_("The file has characters that are no text.")) from error
    if size > MOST_BYTES:
        raise FileNotUnderstood(_("The file has more than %d bytes.") % MOST_BYTES)
    found = list(_csv(text) if format_ == "csv" else _yaml(text))
    if len(found) > MOST_ROWS:
        raise FileNotUnderstood(_("The file has more than %d rows.") % MOST_ROWS)
    yield from found


def _csv(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    try:
        names = reader.fieldnames
        if not names or "name" not in names:
            raise FileNotUnderstood(_("The first line must name the columns: %s.") % ", ".join(COLUMNS))
        if len(set(names)) != len(names):
            raise FileNotUnderstood(_("A column stands twice."))
        for row in reader:
            values = {name: _unguarded(cell) for name, cell in row.items() if name and isinstance(cell, str)}
            extra = {"?": row[None]} if None in row else {}
            yield reader.line_num, {name: cell for name, cell in values.items() if cell != ""} | extra
    except csv.Error as error:
        raise FileNotUnderstood(
            _("Line %(line)d: %(error)s") % {"line": reader.line_num, "error": error}
        ) from error


def _yaml(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    if "&" in text and any(isinstance(one, yaml.AliasToken) for one in _tokens(text)):
        raise FileNotUnderstood(_("Aliases are not allowed."))
    try:
        whole = yaml.safe_load(text)
    except RecursionError as error:
        raise FileNotUnderstood(_("It is nested too deeply.")) from error
    except (yaml.YAMLError, ValueError) as error:
        raise FileNotUnderstood(" ".join(str(error).split())[:500]) from error
    rows = whole.get("instances") if isinstance(whole, dict) else None
    if not isinstance(rows, list):
        raise FileNotUnderstood(_("The file must hold a list under “instances:”."))
    for number, row in enumerate(rows, start=1):
        yield number, row if isinstance(row, dict) else {"?": row}


def _tokens(text: str) -> Iterator[Any]:
    try:
        yield from yaml.scan(text)
    except yaml.YAMLError:
        return  # said by the loader


def _load(number: int, raw: dict[str, Any], seen: dict[str, int], actor: Actor, update: bool) -> Fate:
    name = str(raw.get("name", "")) if raw.get("name") is not None else ""
    fate = Fate(number, name, REFUSED)
    if unknown := [str(key) for key in raw if key not in COLUMNS]:
        fate.problems = [_("There is no column %r.") % key + did_you_mean(key, COLUMNS) for key in unknown]
        return fate
    if name in seen:
        fate.problems = [_("The name is that of row %d.") % seen[name]]
        return fate
    seen[name] = number
    try:
        with transaction.atomic():
            fate.fate = _keep(raw, name, actor, update)
    except ValidationError as error:
        fate.problems = _sentences(error)
    except PermissionDenied as error:
        fate.problems = [str(error)]
    return fate


def _keep(raw: dict[str, Any], name: str, actor: Actor, update: bool) -> str:
    known = Instance.objects.present().visible_to(viewer_of(actor))
    stored = known.select_related("credential").filter(name=name).first()
    if stored and not update:
        raise ValidationError({"name": _("There is an instance of this name already.")})
    before = _entry(stored) if stored else {}
    instance = stored or Instance()
    tags, roles = _fill(instance, raw)
    if stored:
        if _entry_with(instance, tags, roles) == before:
            return UNCHANGED
        instances.edit(instance, actor=actor)
    else:
        instances.create(instance, actor=actor)
    if tags is not None:
        instances.set_tags(instance, tags, actor=actor)
    if roles is not None:
        instances.restrict(instance, roles, actor=actor)
    return UPDATED if stored else CREATED


def _fill(instance: Instance, raw: dict[str, Any]) -> tuple[list[str] | None, list[str] | None]:
    """Sets what the row names; gives its tags and its roles, None what it does not name. Raises ``ValidationError`` by
    column.
    """
    faults: dict[str, str] = {}
    for name in ("name", "dialect", "host", "database", "environment", "description"):
        if name in raw:
            value = raw[name]
            if value is None or isinstance(value, str):
                setattr(instance, name, value or "")
            else:
                faults[name] = _("This must be text.")
    for name, read in (
        ("port", _port),
        ("options", _options),
        ("active", _flag),
        ("credential", _credential),
    ):
        if name in raw:
            try:
                setattr(instance, name, read(raw[name]))
            except ValueError as error:
                faults[name] = str(error)
    lists: dict[str, list[str]] = {}
    for name, words in (("tags", _tags), ("restricted_to", _roles)):
        if name in raw:
            try:
                lists[name] = words(raw[name])
            except ValueError as error:
                faults[name] = str(error)
    if faults:
        # What the model says of the other columns that were named, so that nobody has to come again for it.
        named = raw.keys() - faults.keys()
        try:
            instance.clean_fields(exclude={one.name for one in instance._meta.fields} - named)
        except ValidationError as error:
            raise ValidationError({**error.message_dict, **faults}) from None
        raise ValidationError(faults)
    return lists.get("tags"), lists.get("restricted_to")


def _port(value: Any) -> int | None:
    if value is None:
        return None
    text = str(value).strip()
    if isinstance(value, bool) or not text.isascii() or not text.isdigit():
        raise ValueError(_("%r is no port.") % value)
    return int(text[:9])


def _options(value: Any) -> Any:
    if not isinstance(value, str):
        return {} if value is None else value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise ValueError(_("This must be JSON.")) from None


def _flag(value: Any) -> bool:
    words = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
    found = value if isinstance(value, bool) else words.get(str(value).strip().lower())
    if found is None:
        raise ValueError(_("%r is neither yes nor no.") % value)
    return bool(found)


def _credential(value: Any) -> Credential | None:
    if value is None:
        return None
    found = Credential.objects.filter(name=str(value)).first()
    if found is None:
        known = list(Credential.objects.values_list("name", flat=True)[:500])
        raise ValueError(_("There is no credential %r.") % value + did_you_mean(str(value), known))
    return found


def _tags(value: Any) -> list[str]:
    words = value.split(";") if isinstance(value, str) else value or []
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ValueError(_("Tags are words, with semicolons between them."))
    names = list(dict.fromkeys(word.strip() for word in words if word.strip()))
    known = set(Tag.objects.filter(name__in=names).values_list("name", flat=True))
    if missing := [name for name in names if name not in known]:
        raise ValueError(_("There is no tag %r.") % missing[0] + did_you_mean(missing[0], known))
    return names


def _roles(value: Any) -> list[str]:
    """Whether they exist is said to whoever may restrict instances."""
    words = value or []
    if isinstance(value, str):
        words = _options(value) if value.startswith("[") else value.split(";")
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ValueError(_("Roles are names, with semicolons between them, or a JSON list of names."))
    return list(dict.fromkeys(word.strip() for word in words if word.strip()))


def _role_cell(names: list[str]) -> str:
    """Roles may be called anything."""
    plain = not any(";" in name or name.startswith("[") for name in names)
    return ";".join(names) if plain else json.dumps(names, ensure_ascii=False)


def _entry_with(instance: Instance, tags: list[str] | None, roles: list[str] | None) -> dict[str, Any]:
    """As ``_entry``, with the tags and roles that it would get; their order says nothing."""
    entry = _entry(instance)
    for name, words in (("tags", tags), ("restricted_to", roles)):
        if words is not None and set(words) != set(entry[name]):
            entry[name] = words
    return entry


def _sentences(error: ValidationError) -> list[str]:
    if not hasattr(error, "error_dict"):
        return list(error.messages)
    return [f"{name}: {text}" for name, texts in error.message_dict.items() for text in texts]
