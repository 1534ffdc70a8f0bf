"""What the API has answered to a request with an idempotency key: the same request again gets the same answer."""

from __future__ import annotations

from django.db import models


class StoredAnswer(models.Model):
    # A digest of who asked, where, and the key.
    name = models.CharField(primary_key=True, max_length=64)
    # A keyed digest of what was asked, so that the key cannot stand for something else.
    digest = models.CharField(max_length=64)
    status = models.SmallIntegerField(default=0)
    body = models.TextField(default="")
    at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.name[:12]
