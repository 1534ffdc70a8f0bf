"""A scheduler process: its identity is a UUID of its own, never a host name or a process id (pain 10)."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class Node(models.Model):
    class State(models.TextChoices):
        STARTING = "starting", _("starting")
        ACTIVE = "active", pgettext_lazy("node", "active")
        DRAINING = "draining", _("draining")  # finishes what it runs, claims nothing
        STOPPED = "stopped", _("stopped")  # ended by itself
        DEAD = "dead", _("dead")  # declared so by another node; its runs are lost

    class Kind(models.TextChoices):
        SCHEDULER = "scheduler", _("scheduler")  # admits, claims and runs
        WORKER = "worker", _("Celery worker")  # runs what it is handed

    #: The states in which a node beats.
    LIVE = (State.STARTING, State.ACTIVE, State.DRAINING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # Raised every few seconds; whoever sees it stand still for a lease declares the node dead.
    beat = models.BigIntegerField(_("beat"), default=0)
    heartbeat_at = models.DateTimeField(_("last seen"))
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.STARTING)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices, default=Kind.SCHEDULER)
    lease_seconds = models.FloatField(_("lease (seconds)"))
    host = models.CharField(_("host"), max_length=200)
    pid = models.IntegerField(_("process"))
    version = models.CharField(_("version"), max_length=50)
    queues = models.JSONField(_("queues"), default=list)
    functions = models.JSONField(_("functions"), default=list)
    # Executor → how many runs of it the node has at the same time. What others run for it is not among them.
    seats = models.JSONField(_("seats"), default=dict)
    # What its scheduler has told its listeners since it began: the kind of APScheduler's event → how often.
    events = models.JSONField(_("events"), default=dict)
    detail = models.CharField(_("detail"), max_length=500, blank=True)
    # What troubles it while it goes on claiming.
    warning = models.CharField(_("warning"), max_length=500, blank=True)
    # Somebody wants it to end: it claims nothing more, lets its runs end, and stops. It looks every second.
    drain_asked_at = models.DateTimeField(_("asked to drain"), null=True)
    started_at = models.DateTimeField(_("started"))
    ended_at = models.DateTimeField(_("ended"), null=True)

    class Meta:
        verbose_name = _("node")
        verbose_name_plural = _("nodes")
        ordering = ("-started_at",)
        permissions = (("drain_node", _("Can drain a node")),)
        indexes = (models.Index(name="node_state", fields=["state", "heartbeat_at"]),)
        constraints = (
            models.CheckConstraint(
                name="node_state_known",
                condition=models.Q(state__in=("starting", "active", "draining", "stopped", "dead")),
            ),
        )

    def __str__(self) -> str:
        return f"{self.host}:{self.pid} ({str(self.id)[:8]})"
