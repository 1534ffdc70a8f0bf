"""Who can write to a database that a thousand instances have: how long the first page and the whole answer take.

    DATABASE_URL=… python benchmarks/access.py [--instances 1000] [--accounts 50]     a database that may be written to

Each instance has accounts with rights in twenty databases, roles in roles, and one superuser.
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

from django.core.management import call_command

from instances.models import Instance, InstanceAccount, InstanceDatabase
from instances.services import access
from scheduling import clock


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=1_000)
    parser.add_argument("--accounts", type=int, default=50)
    options = parser.parse_args()
    call_command("migrate", verbosity=0)
    make(options.instances, options.accounts)
    question = access.Question("write", "shop")
    for _round in range(3):
        began = time.monotonic()
        page = access.page(question)
        print(
            f"first page: {len(page.answers)} instances, {page.accounts} accounts, {time.monotonic() - began:.3f} s"
        )
    began = time.monotonic()
    found = [len(answer.found) for answer in access.who_can(question)]
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"all: {len(found)} instances, {sum(found)} accounts of {InstanceAccount.objects.count()}, "
        f"{time.monotonic() - began:.1f} s, {most} MiB at most"
    )


def make(instances: int, accounts: int) -> None:
    if Instance.objects.filter(name="access-0").exists():
        return
    now = clock.now()
    seen = {"first_seen_at": now, "last_seen_at": now}
    values = {"dialect": "mysql", "created_at": now, "updated_at": now}
    rows = Instance.objects.bulk_create(
        Instance(name=f"access-{n}", host=f"h{n}.example.com", **values) for n in range(instances)
    )
    InstanceDatabase.objects.bulk_create(
        (InstanceDatabase(instance=row, name="shop", **seen) for row in rows), batch_size=1_000
    )
    for row in rows:
        InstanceAccount.objects.bulk_create(
            InstanceAccount(
                instance=row, name=f"a{n}@%", username=f"a{n}", superuser=n == 0, privileges=rights(n), **seen
            )
            for n in range(accounts)
        )


def rights(number: int) -> dict[str, object]:
    """A fifth may write to the database, half of these through another account's rights."""
    tables = [
        {
            "on": [f"db{n}" if n else "shop", f"table{n}"],
            "rights": {"SELECT": False, "INSERT": number % 10 == 0},
        }
        if n or number % 10 == 0
        else {"on": ["shop", "t"], "rights": {"SELECT": False}}
        for n in range(20)
    ]
    roles = [{"on": ["a0@%"], "rights": {"MEMBER": False}}] if number % 10 == 5 else []
    return {"table": tables, "role": roles}


if __name__ == "__main__":
    main()
