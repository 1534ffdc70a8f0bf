"""Accounts and rights at full size: 200 databases and 500 accounts of hard names on a real PostgreSQL and a real
MariaDB, read by the dialects and compared with what the servers say when asked otherwise.

    python benchmarks/accounts.py [--databases 200] [--accounts 500]

Makes and removes everything itself. The servers are those of the tests (JOBSITE_TEST_POSTGRES, JOBSITE_TEST_MARIADB).
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "jobsite.settings")

import django

django.setup()

from instances.dialects import DIALECTS
from instances.dialects.grants import snapshot
from tests.instances import oracles
from tests.instances.fleet import MariaDBFleet, PostgresFleet
from tests.instances.servers import MariaDB, Postgres


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--databases", type=int, default=200)
    parser.add_argument("--accounts", type=int, default=500)
    sizes = vars(parser.parse_args())
    postgres = Postgres(
        os.environ.get("JOBSITE_TEST_POSTGRES", "postgres://root@127.0.0.1:5432/postgres"), 5432
    )
    mariadb = MariaDB(os.environ.get("JOBSITE_TEST_MARIADB", "mysql://root@127.0.0.1:3306/mysql"), 3306)
    with PostgresFleet(postgres, **sizes).standing() as fleet:
        reading = read("postgresql", fleet)
        compare(oracles.postgres_concluded(fleet, reading), oracles.postgres_truth(fleet))
    with MariaDBFleet(mariadb, **sizes).standing() as fleet:
        reading = read("mysql", fleet)
        compare(oracles.mariadb_concluded(fleet, reading), oracles.mariadb_truth(fleet))


def read(dialect: str, fleet: PostgresFleet | MariaDBFleet) -> object:
    began = time.monotonic()
    reading = DIALECTS[dialect].accounts(fleet.server.target())
    seconds = time.monotonic() - began
    rights = sum(len(one.grants or ()) for one in reading.accounts)
    for one in reading.accounts:
        snapshot(one.grants or ())
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"{dialect}: {len(reading.accounts)} accounts, {len(fleet.databases)} databases, {rights} rights read in"
        f" {seconds:.2f} s; {most} MiB at most; unread: {len(reading.unread_databases)}; notes: {len(reading.notes)}"
    )
    return reading


def compare(concluded: set[tuple[object, ...]], truth: set[tuple[object, ...]]) -> None:
    wrong = len(concluded - truth) + len(truth - concluded)
    print(f"  {len(truth)} effective rights after the server, {wrong} different")
    if wrong or not truth:
        for one in sorted(concluded ^ truth, key=repr)[:10]:
            print("   ", "only read" if one in concluded else "only on the server", one)
        raise SystemExit(1)


if __name__ == "__main__":
    main()
