#!/usr/bin/env python3
"""The second command: format, lint, types, floors, Django's checks, then all tests on each database in reach.

    python3 deploy/check.py                       everything
    python3 deploy/check.py --only static         no tests
    python3 deploy/check.py --only sqlite -k cron the tests of one database; what follows goes to pytest

SQLite is always tested; PostgreSQL and MariaDB when a server answers (with CI=true all three must).
JOBSITE_TEST_POSTGRES and JOBSITE_TEST_MARIADB say where they are. Written to are only a temporary folder,
the tools' and Python's caches, and databases named test_jobsite_…, which the tests make and remove themselves.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import environment
from environment import ROOT, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: One pair of databases for each checkout, so that two checkouts can be checked at the same time.
DATABASE = f"jobsite_{zlib.crc32(os.fsencode(ROOT)):08x}"

STATIC: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("ruff format", ("-m", "ruff", "format", "--check", ".")),
    ("ruff check", ("-m", "ruff", "check", ".")),
    ("mypy", ("-m", "mypy")),
    ("lint-imports", ("-c", "from importlinter.cli import lint_imports_command as main; main()")),
    ("manage.py check", ("manage.py", "check", "--deploy", "--fail-level", "WARNING")),
    ("makemigrations", ("manage.py", "makemigrations", "--check", "--dry-run")),
)

#: What a step's environment has beside the common one: Django judges an installation behind HTTPS.
VARIABLES = {"manage.py check": {"JOBSITE_HTTPS": "true"}}

#: Answers whether a server takes the URL's user; its last line says why not.
PROBES = {
    "postgresql": """
import sys, psycopg2
psycopg2.connect(sys.argv[1], dbname="postgres", connect_timeout=3).close()
""",
    "mariadb": """
import sys, MySQLdb
from urllib.parse import unquote, urlsplit
url = urlsplit(sys.argv[1])
MySQLdb.connect(host=url.hostname, port=url.port or 3306, user=unquote(url.username or ""),
                password=unquote(url.password or ""), connect_timeout=3).close()
""",
}


@dataclass(frozen=True)
class Server:
    """A database server to test on: its name, the variable that says where it is, and where it usually is."""

    name: str
    variable: str
    usual: str

    def url(self) -> str:
        """The server's URL, naming this checkout's database (Django puts test_ before it)."""
        given = os.environ.get(self.variable, "").strip() or self.usual
        scheme, _, rest = given.partition("://")
        place, _, query = rest.partition("?")
        return f"{scheme}://{place.split('/')[0]}/{DATABASE}" + (f"?{query}" if query else "")


SERVERS = (
    Server("postgresql", "JOBSITE_TEST_POSTGRES", "postgres://postgres@127.0.0.1:5432"),
    Server("mariadb", "JOBSITE_TEST_MARIADB", "mysql://root@127.0.0.1:3306"),
)


@dataclass(frozen=True)
class Result:
    """How a step ended; ``passed`` is None when it did not run."""

    name: str
    passed: bool | None
    seconds: float = 0.0
    detail: str = ""

    def line(self) -> str:
        word = {True: "passed", False: "FAILED", None: "not run"}[self.passed]
        taken = f"{self.seconds:6.1f} s" if self.passed is not None else ""
        return f"  {word:<8}{self.name:<20}{taken:<10}{self.detail}".rstrip()


def main() -> None:
    arguments, pytest_options = command_line().parse_known_args()
    began = time.monotonic()
    try:
        python = environment.prepare("requirements-dev.txt")
        # The databases' names belong to this checkout: a second run would remove them under the first.
        with (
            environment.alone_in(
                ROOT / "deploy", "These checks are at work in this folder already; waiting."
            ),
            tempfile.TemporaryDirectory(prefix="jobsite-check-") as scratch,
        ):
            checks = Checks(python, Path(scratch), arguments.only, pytest_options)
            results = list(checks.run())
    except environment.SetupError as error:
        environment.fail(error)
    except KeyboardInterrupt:
        sys.exit(130)
    say(f"\nSummary ({time.monotonic() - began:.0f} s)")
    for result in results:
        say(result.line())
    sys.exit(any(result.passed is False for result in results))


def command_line() -> argparse.ArgumentParser:
    names = ["static", "sqlite", *(server.name for server in SERVERS)]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument(
        "--only", choices=names, action="append", help="leave out the others (may be repeated)"
    )
    return parser


class Checks:
    """The steps, one after the other: a failure does not hide what comes after it."""

    def __init__(
        self, python: Path, scratch: Path, only: Sequence[str] | None, pytest_options: Sequence[str]
    ) -> None:
        self.python = python
        self.scratch = scratch
        self.only = only
        self.pytest_options = pytest_options
        self.required = os.environ.get("CI", "").lower() == "true"

    def run(self) -> Iterator[Result]:
        if self.wanted("static"):
            for name, arguments in STATIC:
                yield self.step(name, arguments, self.sqlite("static"))
        if self.wanted("sqlite"):
            yield self.tests("sqlite", self.sqlite("tests"))
        for server in SERVERS:
            if self.wanted(server.name):
                yield self.tests_on(server)

    def wanted(self, name: str) -> bool:
        return not self.only or name in self.only

    def sqlite(self, name: str) -> str:
        return f"sqlite:///{self.scratch / name}.sqlite3"

    def tests_on(self, server: Server) -> Result:
        refusal = self.refusal(server)
        if refusal:
            hint = f"{refusal} ({server.variable} says where it is)"
            return Result(f"pytest {server.name}", False if self.required else None, detail=hint)
        return self.tests(server.name, server.url())

    def refusal(self, server: Server) -> str:
        """Why the server cannot be tested on; empty when it can."""
        command = [str(self.python), "-c", PROBES[server.name], server.url()]
        answer = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if answer.returncode == 0:
            return ""
        return (answer.stderr.strip().splitlines() or ["no answer"])[-1]

    def tests(self, name: str, database: str) -> Result:
        report = self.scratch / f"{name}.xml"
        # A file's tests stay together, in one process; most of them wait for something most of the time.
        # In the order in which they lie: by default those with few tests come last, and these are the slow ones.
        spread = ("-n", str((os.cpu_count() or 1) + 1), "--dist", "loadfile", "--no-loadscope-reorder")
        options = (f"--junit-xml={report}", *spread, *self.pytest_options)
        result = self.step(f"pytest {name}", ("-m", "pytest", *options), database)
        return Result(result.name, result.passed, result.seconds, counts(report))

    def step(self, name: str, arguments: Sequence[str], database: str) -> Result:
        say(f"\n=== {name}")
        began = time.monotonic()
        command = [str(self.python), *arguments]
        variables = {**self.variables(database), **VARIABLES.get(name, {})}
        done = subprocess.run(command, cwd=ROOT, env=variables, stdin=subprocess.DEVNULL)
        return Result(name, done.returncode == 0, time.monotonic() - began)

    def variables(self, database: str) -> Mapping[str, str]:
        """The caller's environment less what steers an installation: the answer must not depend on it."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("JOBSITE_") or name.startswith("JOBSITE_TEST_")
        }
        kept.pop("SECRET_KEY", None)
        # Compiled anew, the code is three fifths of what collecting the tests takes, and a quarter of each start.
        kept.pop("PYTHONDONTWRITEBYTECODE", None)
        return kept | {
            "DATABASE_URL": database,
            "JOBSITE_VAR": str(self.scratch / "var"),
            "PYTHONUNBUFFERED": "1",
            "NO_COLOR" if not sys.stdout.isatty() else "FORCE_COLOR": "1",
        }


def counts(report: Path) -> str:
    """What a JUnit report counted, in words; empty when there is none."""
    try:
        suite = next(ElementTree.parse(report).getroot().iter("testsuite"))  # noqa: S314  (pytest wrote it)
    except (OSError, ElementTree.ParseError, StopIteration):
        return ""
    numbers = {key: int(suite.get(key, "0")) for key in ("tests", "failures", "errors", "skipped")}
    bad = numbers["failures"] + numbers["errors"]
    return f"{numbers['tests'] - bad - numbers['skipped']} passed, {bad} failed, {numbers['skipped']} skipped"


if __name__ == "__main__":
    main()
