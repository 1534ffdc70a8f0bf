"""A thousand instances in one collection: most on real servers, some that refuse, some that never answer, some slow.

    DATABASE_URL=… python benchmarks/fleet.py [--instances 1000]     a database that is migrated, and may be written to

Prints how long it took against the bound that its parallelism sets, what became of each kind, and how memory and the
connections to the own database grew.
"""

from __future__ import annotations

import argparse
import logging
import os
import socket
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "jobsite.settings")

import django

django.setup()

from collections import Counter

from django.conf import settings
from django.core.management import call_command
from django.db import connection

from instances.models import Credential, Instance, SyncRecord
from instances.services import collection, credentials, instances
from scheduling.services.actor import Actor

ACTOR = Actor(source="command")
CONNECT_SECONDS = 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=1_000)
    count = parser.parse_args().instances
    logging.disable(logging.ERROR)  # two thousand lines that say what the records say
    call_command("migrate", verbosity=0)
    silent = silent_port()
    chosen = make(count, silent)
    for kind, words in ((collection.SIZES, "sizes"), (collection.accounts_kind({}), "accounts")):
        most = [0, 0]
        stop = threading.Event()
        watcher = threading.Thread(target=watch, args=(stop, most), daemon=True)
        before = memory()
        watcher.start()
        began = time.monotonic()
        session = collection.collect(kind, chosen, origin="manual_batch", actor=ACTOR)
        seconds = time.monotonic() - began
        stop.set()
        watcher.join()
        codes = Counter(SyncRecord.objects.filter(session=session).values_list("state", "error_code"))
        quiet = sum(1 for one in chosen if one.name.startswith("silent"))
        bound = quiet * CONNECT_SECONDS / settings.JOBSITE_SYNC_PARALLEL
        print(
            f"{words}: {session.total} instances, {settings.JOBSITE_SYNC_PARALLEL} at a time, in {seconds:.1f} s"
            f" (the silent ones alone need {bound:.1f} s); {session.status}, {dict(codes)};"
            f" memory {before} → at most {most[0]} MiB; at most {most[1]} threads",
            flush=True,
        )
        assert session.succeeded + session.failed == session.total == count


def make(count: int, silent: int) -> list[Instance]:
    """Of twenty: one refuses, one is silent, the others are real."""
    Instance.objects.all().delete()
    users = {}
    for name, user in (("bench pg", "postgres"), ("bench my", "root")):
        Credential.objects.filter(name=name).delete()
        users[name] = credentials.create(Credential(name=name, username=user), password="", actor=ACTOR)
    chosen = []
    for number in range(count):
        word, dialect, port = ("real", "postgresql", 5432) if number % 2 else ("real", "mysql", 3306)
        if number % 20 == 3:
            word, port = "refusing", 1
        elif number % 20 == 7:
            word, port = "silent", silent
        instance = Instance(
            name=f"{word} {number:04}", dialect=dialect, host=spelled(number), port=port,
            credential=users["bench pg" if dialect == "postgresql" else "bench my"],
            options={"connect_timeout_seconds": CONNECT_SECONDS},
        )  # fmt: skip
        chosen.append(instances.create(instance, actor=ACTOR))
    return chosen


def spelled(number: int) -> str:
    """Another spelling of 127.0.0.1 for each: two instances may not point at one server. Zeros before a number say
    that it is octal.
    """
    first, rest = divmod(number, 40)
    return f"127.{'0' * (first + 1)}.{'0' * (rest + 1)}.1"


def silent_port() -> int:
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    held = []

    def accept() -> None:
        while True:
            held.append(listener.accept()[0])

    threading.Thread(target=accept, daemon=True).start()
    return int(listener.getsockname()[1])


def memory() -> int:
    """Resident, in MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 2**20


def watch(stop: threading.Event, most: list[int]) -> None:
    while not stop.wait(0.1):
        most[0] = max(most[0], memory())
        most[1] = max(most[1], threading.active_count())


if __name__ == "__main__":
    main()
    connection.close()
