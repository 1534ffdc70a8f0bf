"""Django's backend for MySQL and MariaDB, with one round trip less in each transaction.

Django turns autocommit off and on again around a transaction, and each of them is a statement. ``BEGIN`` alone does:
``COMMIT`` and ``ROLLBACK`` end what it began, and mysqlclient does not send a setting that holds already.
"""

from __future__ import annotations

from django.db.backends.mysql import base


class DatabaseWrapper(base.DatabaseWrapper):
    def _start_transaction_under_autocommit(self) -> None:
        """Django's hook for databases on which a transaction is begun in words (SQLite is one)."""
        with self.wrap_database_errors:
            self.connection.begin()
