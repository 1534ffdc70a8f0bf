#!/usr/bin/env python3
"""Try the README's two commands on a machine as fresh as it gets: a Debian root that debootstrap makes.

    python3 deploy/fresh.py root          as root, who may install anything: start, start again, check
    python3 deploy/fresh.py user          as somebody who may install nothing: what is missing is explained
    python3 deploy/fresh.py root user --no-check

Run it as root on Debian or Ubuntu with debootstrap and git. The root gets this machine's package sources and
certificates, and the files that git would clone. It lives in mount and process namespaces of its own: nothing
outlives the trial. The network is the machine's: PostgreSQL and MariaDB on 127.0.0.1 are found from inside.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from environment import ROOT, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: Inside the root.
HOME = "/srv/jobsite"
#: What makes a root able to reach package registries from this machine.
HOST_FILES = (
    "etc/apt/sources.list",
    "etc/apt/sources.list.d",
    "etc/apt/apt.conf.d",
    "etc/apt/preferences.d",
    "etc/hosts",
    "etc/resolv.conf",
    "etc/ssl/certs/ca-certificates.crt",
    "usr/share/keyrings",
)
CTRL_C = b"\x03"


class TrialFailed(Exception):
    """Something did not happen as the README promises."""


def main() -> None:
    arguments = command_line().parse_args()
    if os.geteuid() != 0:
        sys.exit("This needs root: it makes a root file system and namespaces.")
    trials = {"root": try_as_root, "user": try_as_user}
    try:
        for name in arguments.trials:
            with fresh_root(arguments.folder, arguments.suite, keep=arguments.keep) as root:
                say(f"\n##### {name}, in {root}")
                trials[name](Machine(root), arguments.port, check=not arguments.no_check)
    except TrialFailed as error:
        sys.exit(f"\nFAILED: {error}")
    say("\nBoth commands do what the README says.")


def command_line() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("trials", nargs="+", choices=["root", "user"])
    parser.add_argument("--suite", default="bookworm", help="Debian's or Ubuntu's name of the release")
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp/jobsite-fresh"))  # noqa: S108
    parser.add_argument("--port", type=int, default=8321)
    parser.add_argument("--no-check", action="store_true", help="leave out the second command")
    parser.add_argument("--keep", action="store_true", help="keep the used root for a look at it")
    return parser


# --- The trials


def try_as_root(machine: Machine, port: int, *, check: bool) -> None:
    start = ["python3", "deploy/start.py", "--port", str(port)]
    first = machine.start_and_stop(start, port)
    expect(first, r"admin with the password \S{20}", "the first start prints a password")
    second = machine.start_and_stop(start, port)
    expect(second, r"account +exists", "the second start keeps the account")
    if check:
        machine.run(["python3", "deploy/check.py"], expected_code=0)


def try_as_user(machine: Machine, port: int, *, check: bool) -> None:
    start = ["python3", "deploy/start.py", "--port", str(port)]
    refused = machine.run(start, user="somebody", expected_code=1)
    expect(refused, r"sudo apt-get install python3\.\d+-venv", "the missing venv module is explained")
    machine.run(["sh", "-c", "apt-get -qq update && apt-get -qq install --yes python3-venv >/dev/null 2>&1"])
    output = machine.start_and_stop(start, port, user="somebody")
    expect(
        output, r"Going on without MySQL and MariaDB. To add them:  sudo apt-get install gcc", "so is MySQL"
    )
    if check:
        machine.run(["python3", "deploy/check.py", "--only", "static", "--only", "sqlite"], user="somebody")


def expect(output: str, pattern: str, promise: str) -> None:
    if not re.search(pattern, output):
        raise TrialFailed(f"{promise}: nothing like {pattern!r} was printed")


# --- The machine


class Machine:
    """A fresh root, and how to run something in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.pip, self.pip_folders = pip_configuration()

    def run(self, command: Sequence[str], *, user: str = "root", expected_code: int = 0) -> str:
        """Run a command to its end; return what it printed. Raises TrialFailed on another exit code."""
        with Terminal(self.inside(command, user)) as terminal:
            terminal.read_until_end(1800)
            terminal.expect_code(expected_code)
        return terminal.output

    def start_and_stop(self, command: Sequence[str], port: int, *, user: str = "root") -> str:
        """Run the first command until it names its address, look at the pages, press Ctrl-C."""
        began = time.monotonic()
        with Terminal(self.inside(command, user)) as terminal:
            terminal.read_until(f"http://127.0.0.1:{port}/", 600)
            say(f"[ready after {time.monotonic() - began:.1f} s]")
            look_at_pages(port)
            terminal.type(CTRL_C)
            terminal.read_until_end(90)
            terminal.expect_code(0)
        return terminal.output

    def inside(self, command: Sequence[str], user: str) -> list[str]:
        """The command line that enters the root in namespaces of its own, which end with it."""
        say(f"\n[{user}]$ {' '.join(command)}")
        root = shlex.quote(str(self.root))
        mounts = [f"mount -t proc proc {root}/proc", f"mount --rbind /dev {root}/dev"]
        for folder in self.pip_folders:
            place = shlex.quote(f"{self.root}{folder}")
            mounts.append(f"mkdir -p {place} && mount --bind -o ro {shlex.quote(str(folder))} {place}")
        variables = {
            "HOME": f"/home/{user}" if user != "root" else "/root",
            "USER": user,
            "TERM": "dumb",
            **self.pip,
        }
        variables |= {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
        }
        settings = [f"{name}={value}" for name, value in variables.items()]
        chroot = [
            "chroot",
            f"--userspec={user}",
            str(self.root),
            "/usr/bin/env",
            "-i",
            "-C",
            HOME,
            *settings,
            *command,
        ]
        script = " && ".join([*mounts, f"exec {shlex.join(chroot)}"])
        return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script]


class Terminal:
    """A program under a terminal of its own, so that Ctrl-C is the real one. What it prints is shown."""

    def __init__(self, command: Sequence[str]) -> None:
        self.output = ""
        self.code: int | None = None
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.execvp(command[0], list(command))  # noqa: S606

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self.code is None:
            os.kill(self.pid, 9)
            os.waitpid(self.pid, 0)
        os.close(self.descriptor)

    def read_until(self, text: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while text not in self.output:
            if not self._read(deadline):
                raise TrialFailed(f"it ended, or said nothing more, before it printed {text!r}")

    def read_until_end(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self._read(deadline):
            pass
        if time.monotonic() >= deadline:
            raise TrialFailed(f"it had not ended after {seconds:.0f} s")
        self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def expect_code(self, expected: int) -> None:
        if self.code != expected:
            raise TrialFailed(f"exit code {self.code} instead of {expected}")

    def type(self, keys: bytes) -> None:
        os.write(self.descriptor, keys)

    def _read(self, deadline: float) -> bool:
        """Take in what is there; False at the end of output or of the time."""
        if not select.select([self.descriptor], [], [], max(0, deadline - time.monotonic()))[0]:
            return False
        try:
            found = os.read(self.descriptor, 65_536)
        except OSError:  # how Linux says that the last writer has gone
            return False
        text = found.decode(errors="replace").replace("\r\n", "\n")
        self.output += text
        print(text, end="", flush=True)
        return bool(found)


def look_at_pages(port: int) -> None:
    """The login page and one of the files it needs."""
    page = get(port, "/admin/login/")
    style = re.search(r'href="(/static/[^"]+\.css)"', page)
    if style is None:
        raise TrialFailed("the login page names no style sheet")
    get(port, style[1])


def get(port: int, path: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", path)
        response = connection.getresponse()
        if response.status != http.HTTPStatus.OK:
            raise TrialFailed(f"{path} answered {response.status}")
        return response.read().decode()


# --- The root


@contextlib.contextmanager
def fresh_root(folder: Path, suite: str, *, keep: bool) -> Iterator[Path]:
    """A copy of the bare system with the project in it; removed afterwards."""
    base, root = folder / f"base-{suite}", folder / "root"
    if not base.exists():
        bootstrap(base, suite)
    shutil.rmtree(root, ignore_errors=True)
    subprocess.run(["cp", "-a", "--reflink=auto", str(base), str(root)], check=True)
    try:
        for name in HOST_FILES:
            copy(Path("/") / name, root / name)
        subprocess.run(["chroot", str(root), "useradd", "--create-home", "somebody"], check=True)
        copy_project(root / HOME.lstrip("/"))
        yield root
    finally:
        if not keep:
            shutil.rmtree(root)


def bootstrap(base: Path, suite: str) -> None:
    say(f"Making a bare {suite} in {base} (once)")
    draft = base.with_name(f"{base.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    packages = "--include=ca-certificates,git,python3"
    subprocess.run(["debootstrap", "--variant=minbase", packages, suite, str(draft), mirror()], check=True)
    draft.rename(base)


def mirror() -> str:
    """Where this machine's apt gets its packages."""
    listing = ["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"]
    found = subprocess.run(listing, capture_output=True, text=True, check=True).stdout.split()
    if not found:
        raise TrialFailed("apt knows no package source; run apt-get update first")
    return found[0]


def copy(source: Path, target: Path) -> None:
    """Make the target what the source is: a folder, a file, or nothing."""
    if target.is_dir():
        shutil.rmtree(target)
    target.unlink(missing_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
    elif source.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def copy_project(target: Path) -> None:
    """The files that git knows or would take, owned by the user of the trial."""
    listing = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listing, capture_output=True, text=True, check=True).stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    owner = ["chroot", str(target.parent.parent), "chown", "-R", "somebody:somebody", HOME]
    subprocess.run(owner, check=True)


def pip_configuration() -> tuple[Mapping[str, str], list[Path]]:
    """This machine's settings of pip as variables, and the folders they name."""
    listing = [sys.executable, "-m", "pip", "config", "list"]
    printed = subprocess.run(listing, capture_output=True, text=True, check=False).stdout
    variables: dict[str, str] = {}
    folders: set[Path] = set()
    for option, value in re.findall(r"^(?:global|install|:env:)\.([\w-]+)='(.*)'$", printed, re.MULTILINE):
        variables["PIP_" + option.upper().replace("-", "_")] = value.replace("\\n", " ")
        # An index in a folder keeps its files beside it.
        folders |= {Path(path).parent for path in re.findall(r"file://(/\S+)", value)}
        folders |= {Path(path) for path in value.split() if Path(path).is_dir()}
    return variables, sorted(folders)


if __name__ == "__main__":
    main()
