"""The two programs that make up a running Jobsite, as the supervisor wants them described."""

from __future__ import annotations

import http.client
import platform
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.db import OperationalError

from jobsite.supervisor import Program
from scheduling.models import Node

#: Requests that the web process answers at the same time.
WEB_THREADS = 8
BACKLOG = 512


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens: from here on nobody else gets this port. Raises OSError."""
    family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    return socket.create_server(address[:2], family=family, backlog=BACKLOG)


def address_of(listener: socket.socket) -> tuple[str, int]:
    """Where this machine itself reaches the socket."""
    host, port = listener.getsockname()[:2]
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port  # noqa: S104


def url_of(listener: socket.socket) -> str:
    host, port = address_of(listener)
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def log_of(name: str) -> Path:
    return Path(settings.VAR_DIR) / "log" / f"{name}.log"


def web(listener: socket.socket) -> Program:
    """gunicorn on the given socket, which stays open while a dead web process is replaced."""
    options = [
        "--bind",
        f"fd://{listener.fileno()}",
        "--threads",
        str(WEB_THREADS),
        "--graceful-timeout",
        "10",
    ]
    # By default gunicorn would open a control socket in the home folder.
    options += ["--no-control-socket", "--chdir", str(settings.BASE_DIR)]
    return Program(
        name="web",
        command=[sys.executable, "-m", "gunicorn", *options, "jobsite.wsgi:application"],
        log=log_of("web"),
        ready=lambda _: answers(*address_of(listener)),
        start_seconds=60,
        stop_seconds=15,
        descriptors=[listener.fileno()],
    )


def scheduler() -> Program:
    drain = float(settings.SCHEDULER["drain_seconds"])
    return Program(
        name="scheduler",
        command=[sys.executable, str(settings.BASE_DIR / "manage.py"), "runapscheduler"],
        log=log_of("scheduler"),
        ready=node_is_active(),
        start_seconds=60,
        # It drains, asks for cancellation, writes down what is left: its own bounds, and some air.
        stop_seconds=drain + 15,
    )


def answers(host: str, port: int) -> bool:
    """Whether Jobsite's web process answers there."""
    name = next((name for name in settings.ALLOWED_HOSTS if not name.startswith((".", "*"))), "localhost")
    connection = http.client.HTTPConnection(host, port, timeout=1)
    try:
        connection.request("GET", "/healthz", headers={"Host": name})
        response = connection.getresponse()
        return response.status == http.HTTPStatus.OK and response.read(100) == b"ok\n"
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def node_is_active() -> Callable[[int], bool]:
    """A question: does the scheduler with this process id beat and claim?"""
    # Process ids come round again: nodes that were here before are none of ours.
    earlier = list(
        Node.objects.filter(host=platform.node()[:200], state__in=Node.LIVE).values_list("pk", flat=True)
    )

    def ready(pid: int) -> bool:
        mine = Node.objects.filter(host=platform.node()[:200], pid=pid, state=Node.State.ACTIVE)
        try:
            return mine.exclude(pk__in=earlier).exists()
        except OperationalError:
            return False  # a database that is away for a moment is asked again

    return ready
