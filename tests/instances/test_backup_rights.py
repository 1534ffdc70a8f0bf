"""Backups by users who may see all of a database, and by users who may not: those never make a file with holes."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from instances import tasks
from instances.exceptions import BackupsFailed, DialectError, RightsMissing
from instances.models import Backup, Instance
from instances.services import backups
from tests.instances.servers import PREFIX

pytestmark = pytest.mark.django_db

NAME, OTHER = f"{PREFIX}back_up `%", f"{PREFIX}other"
USER = f"{PREFIX}ba'ckup"
INSIDE = (
    "CREATE TABLE t (n int)",
    "CREATE TABLE u (n int)",
    "CREATE VIEW v AS SELECT n FROM t",
    "CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.n = 1",
    "CREATE PROCEDURE p() SELECT 1",
    "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1",
)
#: As docs/instances.md lists them.
NEEDED = ["SELECT", "SHOW VIEW", "TRIGGER", "EVENT"]


@pytest.fixture(autouse=True)
def root(settings: Any, tmp_path: Path) -> Path:
    settings.JOBSITE_BACKUP_ROOT = tmp_path / "backups"
    return tmp_path / "backups"


class TestMariaDB:
    @pytest.fixture
    def instance(self, mariadb: Any, of_server: Any) -> Iterator[Instance]:
        quote = mariadb.quote
        mariadb.run([f"CREATE DATABASE {quote(name)}" for name in (NAME, OTHER)])
        mariadb.run(list(INSIDE), database=NAME)
        yield of_server(mariadb, "my", username=USER, password="x y", database="")
        mariadb.run([f"DROP DATABASE {quote(name)}" for name in (NAME, OTHER)])
        mariadb.run([f"DROP USER {self.who(host)}" for host in ("%", "localhost")])

    def who(self, host: str) -> str:
        return "'" + USER.replace("'", "''") + f"'@'{host}'"

    @pytest.fixture
    def grant(self, mariadb: Any) -> Callable[..., None]:
        """The user has these rights, and no others."""

        def make(*rights: str) -> None:
            for host in ("%", "localhost"):
                who = self.who(host)
                mariadb.run([f"CREATE OR REPLACE USER {who} IDENTIFIED BY 'x y'"])
                mariadb.run([f"GRANT {right} TO {who}" for right in rights])

        return make

    def test_the_documented_rights_are_enough(self, instance: Instance, grant: Any, root: Path) -> None:
        grant(f"{', '.join(NEEDED)} ON *.*")
        row = backups.backup(instance, NAME, keep=1)
        text = gzip.decompress((root / row.file).read_bytes()).decode()
        for part in ("TABLE `t`", "TABLE `u`", "VIEW `v`", "TRIGGER tr", "PROCEDURE `p`", "EVENT `e`"):
            assert part in text, part

    @pytest.mark.parametrize("right", NEEDED)
    def test_one_fewer_is_refused_by_name_and_then_given(
        self, right: str, instance: Instance, grant: Any, mariadb: Any, root: Path
    ) -> None:
        """Without TRIGGER, the program itself would leave triggers out and say nothing."""
        others = [one for one in NEEDED if one != right]
        grant(f"{', '.join(others)} ON *.*", "SELECT ON mysql.*")
        with pytest.raises(RightsMissing, match=f"GRANT {right} ON") as caught:
            backups.backup(instance, NAME, keep=1)
        assert not [path for path in root.rglob("*") if path.is_file()]
        statement = str(caught.value)
        statement = statement[statement.index("GRANT") :].rstrip(";")
        mariadb.run([statement])
        assert backups.backup(instance, NAME, keep=1).size_bytes

    def test_tables_out_of_sight_are_no_backup(self, instance: Instance, grant: Any, mariadb: Any) -> None:
        """The program itself would call a file whole that lacks every table the user may not see."""
        place = mariadb.quote(NAME)
        grant(f"SELECT, SHOW VIEW, TRIGGER ON {place}.t", f"EVENT ON {place}.*", "SELECT ON mysql.proc")
        with pytest.raises(RightsMissing, match="GRANT SELECT, SHOW VIEW, TRIGGER ON"):
            backups.backup(instance, NAME, keep=1)

    def test_routines_out_of_sight_are_no_backup(self, instance: Instance, grant: Any, mariadb: Any) -> None:
        grant(f"{', '.join(NEEDED)} ON {mariadb.quote(NAME)}.*")
        with pytest.raises(RightsMissing, match=r"GRANT SELECT ON mysql\.proc TO"):
            backups.backup(instance, NAME, keep=1)

    def test_a_right_on_the_very_name_hides_those_on_a_pattern(
        self, instance: Instance, grant: Any, mariadb: Any
    ) -> None:
        """Of several names that fit, the server looks at the most exact one only, and sees no table then."""
        exact = NAME.replace("_", "\\_").replace("%", "\\%")
        pattern = f"{mariadb.quote(PREFIX + 'back%')}.*"
        grant(
            f"{', '.join(NEEDED)} ON {pattern}", f"EVENT ON {mariadb.quote(exact)}.*", "SELECT ON mysql.proc"
        )
        with pytest.raises(RightsMissing, match="GRANT SELECT, SHOW VIEW, TRIGGER ON"):
            backups.backup(instance, NAME, keep=1)

    def test_the_others_go_on(self, instance: Instance, grant: Any, mariadb: Any) -> None:
        grant(f"{', '.join(NEEDED)} ON {mariadb.quote(OTHER)}.*", "SELECT ON mysql.*")
        with pytest.raises(BackupsFailed, match=r"1 of 2 .*GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON"):
            tasks.database_backup("my", databases=[NAME, OTHER])
        assert list(Backup.objects.values_list("database", flat=True)) == [OTHER]


class TestPostgreSQL:
    @pytest.fixture
    def instance(self, postgres: Any, of_server: Any) -> Iterator[Instance]:
        quote = postgres.quote
        postgres.run([f"CREATE ROLE {quote(USER)} LOGIN PASSWORD 'x y'"])
        for name in (NAME, OTHER):
            postgres.sql(f"CREATE DATABASE {quote(name)}".replace("%", "%%"), ())
            postgres.run(["CREATE TABLE t (n int)", "CREATE TABLE u (n serial)"], database=name)
        yield of_server(postgres, "pg", username=USER, password="x y")
        for name in (NAME, OTHER):
            postgres.run([f"DROP OWNED BY {quote(USER)}"], database=name)
            postgres.sql(f"DROP DATABASE {quote(name)}".replace("%", "%%"), ())
        postgres.run([f"DROP OWNED BY {quote(USER)}", f"DROP ROLE {quote(USER)}"])

    def test_the_documented_right_is_enough(self, instance: Instance, postgres: Any) -> None:
        postgres.run([f"GRANT pg_read_all_data TO {postgres.quote(USER)}"])
        assert backups.backup(instance, NAME, keep=1).size_bytes

    def test_one_table_fewer_is_no_backup_and_the_others_go_on(
        self, instance: Instance, postgres: Any, root: Path
    ) -> None:
        who = postgres.quote(USER)
        everything = [
            f"GRANT SELECT ON ALL {kind} IN SCHEMA public TO {who}" for kind in ("TABLES", "SEQUENCES")
        ]
        for name in (NAME, OTHER):
            postgres.run(everything, database=name)
        postgres.run([f"REVOKE SELECT ON u FROM {who}"], database=NAME)
        with pytest.raises(BackupsFailed, match=r"1 of 2 .*permission denied for table u"):
            tasks.database_backup("pg", databases=[NAME, OTHER])
        assert list(Backup.objects.values_list("database", flat=True)) == [OTHER]
        assert len([path for path in root.rglob("*") if path.is_file()]) == 1

    def test_a_database_that_refuses_is_said(self, instance: Instance, postgres: Any) -> None:
        postgres.run([f"REVOKE CONNECT ON DATABASE {postgres.quote(OTHER)} FROM PUBLIC"])
        with pytest.raises(DialectError, match="CONNECT privilege"):
            backups.backup(instance, OTHER, keep=1)
