"""Model fields that both apps need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models

if TYPE_CHECKING:
    CharField = models.CharField[str, str]
else:  # Django's fields take no type parameters when the program runs
    CharField = models.CharField


class ExactCharField(CharField):
    """Text that is equal only to itself: 'Sales', 'sales', 'Sales ' and 'Sàles' are four values on every database.

    PostgreSQL and SQLite compare so by themselves. MariaDB and MySQL need a binary collation that does not pad.
    """

    def db_parameters(self, connection: Any) -> Any:
        parameters = super().db_parameters(connection)
        if connection.vendor == "mysql":
            parameters["collation"] = (
                "utf8mb4_nopad_bin" if connection.mysql_is_mariadb else "utf8mb4_0900_bin"
            )
        return parameters
