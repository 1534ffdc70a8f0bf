"""What the page of one instance shows above its form, and the verbs of that page. Each verb is a POST."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from instances.admin.fleet import fleet_view
from instances.admin.instance_list import status_badge
from instances.admin.size_panels import days_needed, jumps_of, sizes_of
from instances.dialects import DIALECTS
from instances.models import Instance, InstanceSize, SyncRecord
from instances.services import figures, instances, requests, visits
from instances.services.sizes import day_of
from jobsite.admin_base import ServiceAdmin, actor_of, key_of, sentences
from scheduling import clock
from scheduling.exceptions import Refused
from scheduling.models import Execution
from scheduling.sentences import in_words

MOST_DATABASES = 200
MOST_SESSIONS = 10


def roles_of(instance: Instance, form: Any) -> list[str]:
    """The names of the roles that it is restricted to; the form may have read them already."""
    if "restricted_to" not in form.fields:
        return list(instance.restricted_to.order_by("name").values_list("name", flat=True))
    chosen = form.initial["restricted_to"]
    return [name for pk, name in form.fields["restricted_to"].choices if pk in chosen]


class InstancePage(ServiceAdmin[Instance]):
    """The page of one instance."""

    change_form_outer_before_template = "instances/instance.html"

    def get_urls(self) -> list[URLPattern]:
        verbs = {
            "test": self.test_view,
            "collect": self.collect_view,
            "accounts": self.accounts_view,
            "restore": self.restore_view,
        }
        fleet = path("fleet/", self.admin_site.admin_view(fleet_view), name="instances_fleet")
        own = [
            path(
                f"<int:pk>/{verb}/",
                self.admin_site.admin_view(require_POST(view)),
                name=f"instances_instance_{verb}",
            )
            for verb, view in verbs.items()
        ]
        return [fleet, *own, *super().get_urls()]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        instance = kwargs.get("obj")
        known = self.page(request, instance) if instance is not None else {}
        if instance is not None:
            known["roles"] = roles_of(instance, context["adminform"].form)
        return super().render_change_form(request, {**context, **known}, *args, **kwargs)

    # --- what is shown

    def page(self, request: HttpRequest, instance: Instance) -> dict[str, Any]:
        today = day_of(clock.now())
        days = figures.days(instance, until=today, most=days_needed(request))
        records = SyncRecord.objects.filter(instance=instance).select_related("session")
        return {
            "instance": instance,
            "status": status_badge(instance),
            "latest": figures.latest(instance, most=MOST_DATABASES, among=days),
            "jumps": jumps_of(instance),
            **sizes_of(request, instance, "", days, today=today),
            "ever_collected": bool(days) or InstanceSize.objects.filter(instance=instance).exists(),
            "records": records.order_by("-session__started_at")[:MOST_SESSIONS],
            "rights": instance.rights,
            "may_test": self.may_test(request),
            "may_collect": self.may_collect(request),
            "has_accounts": instance.dialect in DIALECTS and instance.kind.supports_accounts,
            "may_restore": self.has_delete_permission(request),
        }

    # --- what may be done

    def may_test(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("instances.change_instance"))

    def may_collect(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perms(("instances.view_instance", "scheduling.run_task")))

    def test_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        instance = self._found(request, pk, allowed=self.may_test(request))
        if instance.deleted_at is None:
            self.tell(request, instances.test_connections([instance], actor=actor_of(request)))
        else:
            self.message_user(request, _("Restore the instance first."), messages.ERROR)
        return self._back(instance)

    def collect_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        instance = self._found(request, pk, allowed=self.may_collect(request))
        self.collect(request, [instance])
        return self._back(instance)

    def accounts_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        instance = self._found(request, pk, allowed=self.may_collect(request))
        self.collect(request, [instance], requests.collect_accounts)
        return self._back(instance)

    def restore_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        instance = self._found(request, pk, allowed=self.has_delete_permission(request))
        try:
            instances.restore(instance, actor=actor_of(request))
        except ValidationError as error:
            self.message_user(request, sentences(error), messages.ERROR)
        else:
            self.message_user(request, _("“%(name)s” is back.") % {"name": instance.name}, messages.SUCCESS)
        return self._back(instance)

    def tell(self, request: HttpRequest, outcomes: list[tuple[Instance, Any]]) -> None:
        """Says what came of tests of connections."""
        for instance, outcome in outcomes:
            if isinstance(outcome, BaseException):
                self.message_user(request, f"{instance}: {visits.sentence(outcome)}", messages.ERROR)
            else:
                text = f"{instance}: {outcome.product} {outcome.main_version}, {outcome.latency_ms:g} ms"
                self.message_user(request, text, messages.SUCCESS)

    def collect(
        self,
        request: HttpRequest,
        chosen: list[Instance],
        ask: Callable[..., Execution] = requests.collect_sizes,
    ) -> None:
        """Asks for a collection from the chosen instances, and says where it can be watched."""
        try:
            execution = ask(chosen, actor=actor_of(request), idempotency_key=key_of(request))
        except (Refused, ValidationError) as error:
            self.message_user(request, sentences(error), messages.ERROR)
            return
        text = format_html(
            '{} <a class="text-link" href="{}">#{}</a> {}',
            _("Asked for as run"),
            reverse("admin:scheduling_execution_change", args=[execution.pk]),
            execution.pk,
            in_words(execution.detail),
        )
        self.message_user(request, text, messages.SUCCESS)

    def _found(self, request: HttpRequest, pk: int, *, allowed: bool) -> Instance:
        """The instance. Raises PermissionDenied, before it says whether there is such an instance, and Http404."""
        if not allowed:
            raise PermissionDenied
        rows = Instance.objects.select_related("credential").visible_to(request.user)
        instance = rows.filter(pk=pk).first()
        if instance is None:
            raise Http404
        return instance

    def _back(self, instance: Instance) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse("admin:instances_instance_change", args=[instance.pk]))
