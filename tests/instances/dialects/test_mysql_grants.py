r"""The parser against lines as the servers write them; those of MySQL 5.7 and 8 are taken from their manuals."""

from __future__ import annotations

import pytest

from instances.dialects.grants import Grant
from instances.dialects.mysql_grants import parse

ME = ("app", "%")


def grants(line: str, of: tuple[str, str] = ME) -> set[Grant]:
    found, strange = parse([line], *of)
    assert strange == []
    return found


def full(line: str, of: tuple[str, str] = ME) -> set[tuple[object, ...]]:
    return {(one.category, one.on, one.right, one.grantable) for one in grants(line, of)}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("GRANT USAGE ON *.* TO `app`@`%` IDENTIFIED BY PASSWORD '*B6902'", set()),
        ("GRANT USAGE ON *.* TO `app`@`%` WITH GRANT OPTION", {("global", (), "GRANT OPTION", True)}),
        (
            "GRANT SELECT, CREATE TEMPORARY TABLES ON *.* TO 'app'@'%'",
            {("global", (), "SELECT", False), ("global", (), "CREATE TEMPORARY TABLES", False)},
        ),
        (
            "GRANT BACKUP_ADMIN,ROLE_ADMIN ON *.* TO `app`@`%` WITH GRANT OPTION",
            {("global", (), "BACKUP_ADMIN", True), ("global", (), "ROLE_ADMIN", True)},
        ),
        (
            "GRANT ALL PRIVILEGES ON `my\\_db`.* TO `app`@`%` IDENTIFIED VIA unix_socket WITH GRANT OPTION",
            {("database", ("my\\_db",), "ALL PRIVILEGES", True)},
        ),
        ("GRANT INSERT ON `D``b`.`T 'x'` TO \"app\"@\"%\"", {("table", ("D`b", "T 'x'"), "INSERT", False)}),
        (
            "GRANT SELECT (`b,(c`, `a`), INSERT, UPDATE (`ON`) ON `d`.`TO` TO `app`@`%`",
            {
                ("column", ("d", "TO", "b,(c"), "SELECT", False),
                ("column", ("d", "TO", "a"), "SELECT", False),
                ("table", ("d", "TO"), "INSERT", False),
                ("column", ("d", "TO", "ON"), "UPDATE", False),
            },
        ),
        (
            "GRANT EXECUTE, ALTER ROUTINE ON PROCEDURE `d`.`p` TO `app`@`%`",
            {
                ("routine", ("d", "p", "PROCEDURE"), "EXECUTE", False),
                ("routine", ("d", "p", "PROCEDURE"), "ALTER ROUTINE", False),
            },
        ),
        (
            "GRANT EXECUTE ON PACKAGE BODY `d`.`p` TO `app`@`%`",
            {("routine", ("d", "p", "PACKAGE BODY"), "EXECUTE", False)},
        ),
        ("GRANT PROXY ON ''@'%' TO 'app'@'%' WITH GRANT OPTION", {("proxy", ("@%",), "PROXY", True)}),
        ("GRANT `r 1` TO `app`@`%` WITH ADMIN OPTION", {("role", ("r 1",), "MEMBER", True)}),
        (
            "GRANT `r`@`%`,`s`@`h` TO `app`@`%`",
            {("role", ("r@%",), "MEMBER", False), ("role", ("s@h",), "MEMBER", False)},
        ),
        ("SET DEFAULT ROLE `r 1` FOR `app`@`%`", {("role", ("r 1",), "DEFAULT", False)}),
        ("REVOKE INSERT ON `mysql`.* FROM `app`@`%`", {("restriction", ("mysql",), "NOT INSERT", False)}),
        ("GRANT SELECT ON *.* TO `other`@`%`", set()),
        ("GRANT `r` TO `app`@`localhost`", set()),
    ],
)  # fmt: skip
def test_a_line(line: str, expected: set[tuple[object, ...]]) -> None:
    assert full(line) == expected


def test_a_role_of_mariadb_has_no_host_and_its_own_roles_lines_are_not_its_own() -> None:
    found, strange = parse(
        [
            "GRANT `base` TO `r`",
            "GRANT USAGE ON *.* TO `r`",
            "GRANT SELECT ON `d`.* TO `base`",
            "GRANT INSERT ON `d`.* TO `r`",
        ],
        "r",
        "",
    )
    assert {(one.on, one.right) for one in found} == {(("base",), "MEMBER"), (("d",), "INSERT")}
    assert strange == []
    assert full("GRANT SELECT ON `d`.* TO PUBLIC", ("PUBLIC", ""))


def test_what_nobody_understands_is_told_without_what_may_be_secret() -> None:
    _found, strange = parse(["GIVE everything TO `app`@`%` IDENTIFIED BY PASSWORD '*SECRET'", "GRANT"], *ME)
    assert strange == ["GIVE everything", "GRANT"]
