"""Many instances from one file: first the fate of each row, then, asked for again, the rows themselves."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from instances.exceptions import FileNotUnderstood
from instances.models import Instance
from instances.services import exchange
from jobsite.admin_base import ServiceAdmin, actor_of

NEEDS = ("instances.view_instance", "instances.add_instance", "instances.change_instance")
#: Rows whose fate is shown: refused ones first.
MOST_SHOWN = 500
WORDS = {
    exchange.REFUSED: _("refused"),
    exchange.CREATED: _("added"),
    exchange.UPDATED: _("updated"),
    exchange.UNCHANGED: _("unchanged"),
}


class ImportForm(forms.Form):
    file = forms.FileField(label=_("File"), required=False)
    text = forms.CharField(
        label=_("Or its text"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"class": "input code", "rows": 10, "spellcheck": "false"}),
    )
    format = forms.ChoiceField(
        label=_("Format"),
        choices=[(name, name.upper()) for name in exchange.FORMATS],
        widget=forms.Select(attrs={"class": "input"}),
    )
    update = forms.BooleanField(label=_("Change those that exist"), required=False)

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = self.cleaned_data
        file = values.get("file")
        if bool(file) == bool(values.get("text")):
            raise forms.ValidationError({"file": gettext("Give either a file or its text.")})
        if file is not None:
            if file.size > exchange.MOST_BYTES:
                text = gettext("The file has more than %d bytes.") % exchange.MOST_BYTES
                raise forms.ValidationError({"file": text})
            try:
                values["text"] = file.read().decode("utf-8-sig")
            except UnicodeDecodeError as error:
                raise forms.ValidationError({"file": gettext("The file is not UTF-8 text.")}) from error
        return values

    def fates(self, actor: Any, *, dry_run: bool) -> list[exchange.Fate] | None:
        """What becomes of each row, or None: then the form says what is wrong with the file as a whole."""
        asked = self.cleaned_data
        try:
            return exchange.load(
                asked["text"], asked["format"], actor=actor, dry_run=dry_run, update=asked["update"]
            )
        except FileNotUnderstood as error:
            self.add_error("text", str(error))
        return None

    def again(self) -> ImportForm:
        """The same form with the file's text in it: a browser does not send a file a second time by itself."""
        return ImportForm(initial={**self.cleaned_data, "file": None})


def show(page: ServiceAdmin[Instance], request: HttpRequest) -> HttpResponse:
    if not request.user.has_perms(NEEDS):
        raise PermissionDenied
    form, fates, dry_run = ImportForm(), None, "load" not in request.POST
    if request.method == "POST":
        form = ImportForm(request.POST, request.FILES)
        fates = form.fates(actor_of(request), dry_run=dry_run) if form.is_valid() else None
    if fates is not None:
        counts = {fate: sum(row.fate == fate for row in fates) for fate in WORDS}
        if not dry_run:
            said = ", ".join(f"{number} {WORDS[fate]}" for fate, number in counts.items() if number)
            level = messages.WARNING if counts[exchange.REFUSED] else messages.SUCCESS
            messages.add_message(request, level, gettext("Imported: %(counts)s.") % {"counts": said})
            if not counts[exchange.REFUSED]:
                return HttpResponseRedirect(reverse("admin:instances_instance_changelist"))
        order = list(WORDS)
        shown = sorted(fates, key=lambda row: (order.index(row.fate), row.number))[:MOST_SHOWN]
        form = form.again()
    context = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "title": gettext("Import instances"),
        "form": form,
        "dry_run": dry_run,
        "counts": [(WORDS[fate], number) for fate, number in counts.items()] if fates is not None else [],
        "rows": [(row, WORDS[row.fate]) for row in shown] if fates is not None else [],
        "left_out": max(0, len(fates) - MOST_SHOWN) if fates is not None else 0,
    }
    return TemplateResponse(request, "instances/import.html", context)
