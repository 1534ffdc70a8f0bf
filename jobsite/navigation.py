"""The side bar of the admin: where a person finds what. An entry is shown to those who may see its page."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Groups of entries, as unfold wants them."""

    def page(title: str, icon: str, address: str, permission: str = "") -> dict[str, Any]:
        may_see = not permission or request.user.has_perm(permission)
        return {
            "title": title,
            "icon": icon,
            "link": reverse(address),
            "permission": lambda _request: may_see,
        }

    def rows(title: str, icon: str, app: str, model: str) -> dict[str, Any]:
        return page(title, icon, f"admin:{app}_{model}_changelist", f"{app}.view_{model}")

    return [
        {"items": [page(_("Home"), "home", "admin:index")]},
        {
            "title": _("Scheduling"),
            "items": [
                page(_("Board"), "dashboard", "board", "scheduling.view_task")
                | {"active": lambda asked: asked.path == reverse("board")},  # other pages stand below it
                rows(_("Tasks"), "event_repeat", "scheduling", "task")
                | {
                    "active": lambda asked: (
                        "/scheduling/task/" in asked.path and "/templates/" not in asked.path
                    )
                },
                page(
                    _("Templates"), "library_add", "admin:scheduling_task_templates", "scheduling.view_task"
                ),
                rows(_("Executions"), "history", "scheduling", "execution"),
                page(_("Forecast"), "calendar_view_week", "forecast", "scheduling.view_task"),
                rows(_("Groups"), "folder", "scheduling", "group"),
                rows(_("Pools"), "dataset", "scheduling", "pool"),
                page(_("Queues"), "low_priority", "queues", "scheduling.view_task"),
                rows(_("Nodes"), "dns", "scheduling", "node"),
                rows(_("Notices"), "mail", "scheduling", "notice"),
                page(_("Guarantees"), "verified", "doctor", "scheduling.view_examination"),
                rows(_("Changes"), "difference", "scheduling", "taskversion"),
            ],
        },
        {
            "title": _("Instances"),
            "items": [
                page(_("Fleet"), "donut_small", "admin:instances_fleet", "instances.view_instancesize"),
                rows(_("Instances"), "database", "instances", "instance")
                | {
                    "active": lambda asked: _is_below(
                        "admin:instances_instance_changelist", "admin:instances_fleet", asked
                    )
                },
                rows(_("Credentials"), "key", "instances", "credential"),
                rows(_("Databases"), "table", "instances", "instancedatabase"),
                rows(_("Sizes"), "monitoring", "instances", "instancesize"),
                rows(_("Sizes by period"), "stacked_line_chart", "instances", "databasesizeaggregate"),
                rows(_("Jumps in size"), "trending_up", "instances", "sizeanomaly"),
                rows(_("Size limits"), "vertical_align_top", "instances", "sizelimit"),
                page(
                    _("Partitions"), "view_week", "admin:instances_partitions", "instances.view_databasesize"
                ),
                rows(_("Accounts"), "badge", "instances", "instanceaccount")
                | {
                    "active": lambda asked: (
                        "/instanceaccount/" in asked.path and "/who-can/" not in asked.path
                    )
                },
                page(_("Who can"), "lock_open", "admin:instances_who_can", "instances.view_instanceaccount"),
                rows(_("Account changes"), "person_edit", "instances", "accountchange"),
                rows(_("Sync sessions"), "sync", "instances", "syncsession"),
                page(_("Run SQL"), "terminal", "admin:instances_sql", "instances.run_sql"),
                rows(_("Statements"), "receipt_long", "instances", "statementrun")
                | {"active": lambda asked: "/statementrun/" in asked.path and "/run/" not in asked.path},
                rows(_("Backups"), "backup", "instances", "backup"),
                rows(_("Tags"), "sell", "instances", "tag"),
            ],
        },
        {
            "title": _("Access"),
            "separator": True,
            "items": [
                rows(_("Users"), "person", "auth", "user"),
                rows(_("Roles"), "groups", "auth", "group"),
                rows(_("Tokens"), "vpn_key", "jobsite", "token"),
                page(_("API"), "api", "api:docs"),
            ],
        },
    ]


def _is_below(address: str, but: str, asked: HttpRequest) -> bool:
    """Is the page that is asked for, or one below it, shown; ``but`` has an entry of its own."""
    return asked.path.startswith(reverse(address)) and not asked.path.startswith(reverse(but))


def account(request: HttpRequest) -> list[dict[str, Any]]:
    """What the menu at the person's name offers."""
    return [
        {"title": _("Change password"), "link": reverse("admin:password_change")},
        {"title": _("Time zone"), "link": reverse("time_zone")},
    ]
