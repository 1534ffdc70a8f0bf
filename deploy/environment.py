"""The virtual environment: made, filled and kept up to date with nothing but Python's standard library.

Both commands of the README begin here. Old Pythons must be able to load it: they are told what is missing.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
#: What was installed: a digest of each requirements file, and where.
STAMP = VENV / "jobsite.json"
OLDEST_PYTHON = (3, 11)

#: The one requirement that is compiled here: it has no ready-made build for Linux.
COMPILED = "mysqlclient"
#: What compiling it takes; ``{python}`` is the interpreter, such as python3.11.
COMPILER_PACKAGES = ("gcc", "libc6-dev", "pkg-config", "libmariadb-dev", "{python}-dev")


class SetupError(Exception):
    """The set-up cannot go on; the message says why and what to type."""


def prepare(requirements: str) -> Path:
    """Make ``.venv`` hold what the named requirements file lists; return its interpreter.

    Safe to run again, and quick when nothing changed. Raises SetupError.
    """
    require_python()
    with alone_in(ROOT, "Another set-up is at work in this folder; waiting for it."):
        wanted = read_requirements(ROOT / requirements)
        stamp = read_stamp()
        if not environment_works(stamp):
            make_environment()
            stamp = {}
        digest = hashlib.sha256("\n".join(wanted).encode()).hexdigest()
        compiled = [line for line in wanted if name_of(line) == COMPILED]
        if stamp.get(requirements) != digest:
            install([line for line in wanted if line not in compiled])
        if compiled and stamp.get(COMPILED) != compiled[0] and install_compiled(compiled[0]):
            stamp[COMPILED] = compiled[0]
        write_stamp({**stamp, requirements: digest})
    return PYTHON


def say(text: str) -> None:
    print(text, flush=True)


def fail(error: Exception) -> NoReturn:
    sys.exit("\n" + str(error))


# --- Python and its virtual environment ----------------------------------------------------------


def require_python() -> None:
    if sys.version_info >= OLDEST_PYTHON:
        return
    found = ".".join(map(str, sys.version_info[:3]))
    newer = next((name for name in newer_names() if shutil.which(name)), None)
    script = os.path.relpath(sys.argv[0])
    advice = f"Type:  {newer} {script}" if newer else "Install Python 3.11 or newer and run it again."
    raise SetupError(f"Jobsite needs Python 3.11 or newer; this is Python {found}.\n{advice}")


def newer_names() -> list[str]:
    return [f"python3.{minor}" for minor in range(14, OLDEST_PYTHON[1] - 1, -1)]


def interpreter_name() -> str:
    """As Debian's packages spell it: python3.11."""
    return f"python{sys.version_info[0]}.{sys.version_info[1]}"


def make_environment() -> None:
    if VENV.is_symlink():  # it would be emptied where it is
        raise SetupError(
            f".venv is a link to {VENV.resolve()}, which is no environment of this folder.\n"
            f"To make one anew would empty that. Type:  rm {VENV}   and run this command again."
        )
    if importlib.util.find_spec("ensurepip") is None:
        install_venv_module()
    say(f"Making the virtual environment .venv (Python {sys.version.split()[0]})")
    # --clear: one that was left half made, was moved, or belongs to a Python that is gone is begun anew.
    run([sys.executable, "-m", "venv", "--clear", str(VENV)], "The virtual environment could not be made.")


def install_venv_module() -> None:
    """Debian and Ubuntu keep it in a package of its own."""
    package = f"{interpreter_name()}-venv"
    if may_install():
        say(f"Python's venv module is missing: installing the package {package}")
        if install_packages([package]):
            return
    raise SetupError(
        "Python's venv module is missing, and only an administrator can add it.\n"
        f"Type:  sudo apt-get install {package}   and run this command again."
    )


def environment_works(stamp: dict[str, str]) -> bool:
    # A folder that was moved keeps scripts which name the old place.
    return stamp.get("folder", str(VENV)) == str(VENV) and python_version() >= OLDEST_PYTHON


def python_version() -> tuple[int, ...]:
    """The version of the environment's Python; () when it does not run, or has no pip."""
    command = [str(PYTHON), "-c", "import pip, sys; print(*sys.version_info[:2])"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ()
    return tuple(map(int, answer.split()))


def read_stamp() -> dict[str, str]:
    try:
        stamp: dict[str, str] = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}
    return stamp


def write_stamp(stamp: dict[str, str]) -> None:
    draft = STAMP.with_suffix(".draft")
    draft.write_text(json.dumps({**stamp, "folder": str(VENV)}, indent=2) + "\n")
    draft.replace(STAMP)


# --- Python packages -----------------------------------------------------------------------------


def read_requirements(path: Path) -> list[str]:
    """The requirements of a file and of the files it names with ``-r``, without comments."""
    wanted: list[str] = []
    for line in path.read_text().splitlines():
        entry = re.sub(r"(^|\s)#.*", "", line).strip()
        if entry.startswith("-r "):
            wanted += read_requirements(path.parent / entry[3:].strip())
        elif entry:
            wanted.append(entry)
    return wanted


def name_of(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower()


def install(requirements: Sequence[str]) -> None:
    say(f"Installing {len(requirements)} Python packages and what they need")
    began = time.monotonic()
    run(pip_install(*requirements), "The Python packages could not be installed (see the lines above).")
    say(f"Installed in {time.monotonic() - began:.0f} s")


def pip_install(*requirements: str) -> list[str]:
    options = ["-qq", "--no-input", "--disable-pip-version-check", "--prefer-binary"]
    return [str(PYTHON), "-m", "pip", "install", *options, *requirements]


def install_compiled(requirement: str) -> bool:
    """Install the requirement that is compiled here; without its headers go on without it. Tells which."""
    missing = missing_compiler_packages()
    if missing and may_install():
        say(f"For MySQL and MariaDB, installing the packages {' '.join(missing)}")
        install_packages(missing)
        missing = missing_compiler_packages()
    if not missing:
        say(f"Compiling {requirement}")
        built = subprocess.run(pip_install(requirement), capture_output=True, text=True)
        if built.returncode == 0:
            return True
        say(built.stderr[-2000:])
    advice = f"sudo apt-get install {' '.join(missing)}" if missing else f"mend what {COMPILED} says above"
    say(f"Going on without MySQL and MariaDB. To add them:  {advice}   and run this command again.")
    return False


def missing_compiler_packages() -> list[str]:
    """The Debian packages that compiling still needs, known by the files they bring."""
    present = {
        "gcc": shutil.which("gcc") or shutil.which("cc"),
        "libc6-dev": os.path.exists("/usr/include/stdio.h"),
        "pkg-config": shutil.which("pkg-config"),
        "libmariadb-dev": knows_client_library(),
        "{python}-dev": os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")),
    }
    return [
        package.format(python=interpreter_name()) for package in COMPILER_PACKAGES if not present[package]
    ]


def knows_client_library() -> bool:
    if not shutil.which("pkg-config"):
        return False
    libraries = ("mysqlclient", "mariadb", "libmariadb", "perconaserverclient")
    return any(subprocess.run(["pkg-config", "--exists", library]).returncode == 0 for library in libraries)


# --- Packages of the operating system ------------------------------------------------------------


def administrator() -> list[str] | None:
    """What to put before a command so that it runs as root without a question; None when nothing does."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0:
        return ["sudo", "-n"]
    return None


def may_install() -> bool:
    return shutil.which("apt-get") is not None and administrator() is not None


def install_packages(packages: Sequence[str]) -> bool:
    """Install Debian packages, once ``may_install`` said yes; False when that failed, with apt's words."""
    prefix = [*(administrator() or []), "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"]
    wait = ["-o", "DPkg::Lock::Timeout=120"]  # another apt at work is waited for
    # A failed update (one broken source among many) need not stop the installation.
    subprocess.run([*prefix, *wait, "update"], stdin=subprocess.DEVNULL, capture_output=True)
    command = [*prefix, *wait, "install", "--yes", "--no-install-recommends", *packages]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        say((done.stdout + done.stderr)[-2000:])
    return done.returncode == 0


# --- Processes -----------------------------------------------------------------------------------


def run(command: Sequence[str], complaint: str) -> None:
    """Run a command whose words go to the screen; raise SetupError with the complaint when it fails."""
    if subprocess.run(command, stdin=subprocess.DEVNULL).returncode:
        raise SetupError(complaint)


@contextlib.contextmanager
def alone_in(folder: Path, notice: str) -> Iterator[None]:
    """Keep others that ask for the same folder waiting; a process that ends lets go, however it ends."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say(notice)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
