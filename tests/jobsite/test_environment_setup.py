"""deploy/environment.py: what the README's two commands do before Django exists."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, at work in an empty folder and unable to start anything by accident."""
    spec = importlib.util.spec_from_file_location("environment_under_test", DEPLOY / "environment.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "PYTHON", tmp_path / ".venv/bin/python")
    monkeypatch.setattr(module, "STAMP", tmp_path / ".venv/jobsite.json")
    return module


@pytest.mark.parametrize("name", ["start.py", "environment.py"])
def test_it_can_be_read_by_pythons_that_are_too_old_to_run_it(name: str) -> None:
    tree = ast.parse((DEPLOY / name).read_text(), feature_version=(3, 7))
    imported = {node.names[0].name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import)}
    assert imported <= {*sys.stdlib_module_names, "environment"}


def test_an_old_python_is_told_what_is_needed(
    environment: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment.sys, "version_info", (3, 9, 2))
    monkeypatch.setattr(environment.shutil, "which", lambda name: None)
    with pytest.raises(environment.SetupError, match=r"needs Python 3\.11 or newer; this is Python 3\.9\.2"):
        environment.require_python()


def test_an_old_python_is_told_of_a_newer_one_beside_it(
    environment: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment.sys, "version_info", (3, 9, 2))
    monkeypatch.setattr(environment.shutil, "which", lambda name: name if name == "python3.12" else None)
    with pytest.raises(environment.SetupError, match=r"Type:  python3\.12 "):
        environment.require_python()


def test_an_environment_that_is_linked_here_is_not_emptied(environment: ModuleType, tmp_path: Path) -> None:
    """``venv --clear`` follows the link, and takes away what another folder works with."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "jobsite.json").write_text(f'{{"folder": "{other}"}}')
    environment.VENV.symlink_to(other)
    with pytest.raises(environment.SetupError, match="is a link to") as error:
        environment.make_environment()
    assert str(environment.VENV) in str(error.value)
    assert [path.name for path in other.iterdir()] == ["jobsite.json"]


def test_requirements_are_read_through_other_files_without_comments(
    environment: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "one.txt").write_text("# first\nDjango==5.2  # why\n\nmysqlclient==2\n")
    (tmp_path / "two.txt").write_text("-r one.txt\npytest==9\n")
    assert environment.read_requirements(tmp_path / "two.txt") == [
        "Django==5.2",
        "mysqlclient==2",
        "pytest==9",
    ]


def test_a_missing_venv_module_is_explained_where_nothing_may_be_installed(
    environment: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "may_install", lambda: False)
    with pytest.raises(environment.SetupError, match=r"sudo apt-get install python3\.\d+-venv"):
        environment.install_venv_module()


def test_a_missing_venv_module_is_installed_where_that_is_possible(
    environment: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed: list[str] = []
    monkeypatch.setattr(environment, "may_install", lambda: True)
    monkeypatch.setattr(environment, "install_packages", lambda packages: installed.extend(packages) or True)
    environment.install_venv_module()
    assert installed == [f"python3.{sys.version_info[1]}-venv"]


def test_without_headers_and_rights_it_goes_on_without_mysqlclient(
    environment: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(environment, "may_install", lambda: False)
    monkeypatch.setattr(environment, "missing_compiler_packages", lambda: ["gcc", "libmariadb-dev"])
    assert environment.install_compiled("mysqlclient==2.3.1") is False
    assert "sudo apt-get install gcc libmariadb-dev" in capsys.readouterr().out


@pytest.fixture
def installed(environment: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What pip would have been asked for; the environment itself is pretended."""
    asked: list[str] = []
    (tmp_path / "requirements.txt").write_text("Django==5.2\nmysqlclient==2.3.1\n")

    def make() -> None:
        asked.append("environment")
        (tmp_path / ".venv").mkdir(exist_ok=True)
        monkeypatch.setattr(environment, "python_version", lambda: (3, 11))

    monkeypatch.setattr(environment, "python_version", lambda: ())
    monkeypatch.setattr(environment, "make_environment", make)
    monkeypatch.setattr(environment, "install", lambda requirements: asked.extend(requirements))
    monkeypatch.setattr(environment, "install_compiled", lambda requirement: not asked.append(requirement))
    return asked


def test_a_second_set_up_installs_nothing(environment: ModuleType, installed: list[str]) -> None:
    environment.prepare("requirements.txt")
    assert installed == ["environment", "Django==5.2", "mysqlclient==2.3.1"]
    installed.clear()
    environment.prepare("requirements.txt")
    assert installed == []


def test_changed_requirements_are_installed_again(
    environment: ModuleType, installed: list[str], tmp_path: Path
) -> None:
    environment.prepare("requirements.txt")
    installed.clear()
    (tmp_path / "requirements.txt").write_text("Django==5.3\nmysqlclient==2.3.1\n")
    environment.prepare("requirements.txt")
    assert installed == ["Django==5.3"]


def test_a_set_up_that_had_to_leave_out_mysqlclient_tries_again(
    environment: ModuleType, installed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(environment, "install_compiled", lambda requirement: False)
        environment.prepare("requirements.txt")
    installed.clear()
    environment.prepare("requirements.txt")
    assert installed == ["mysqlclient==2.3.1"]


def test_a_moved_folder_gets_an_environment_of_its_own(
    environment: ModuleType, installed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment.prepare("requirements.txt")
    installed.clear()
    stamp = environment.STAMP.read_text()
    environment.STAMP.write_text(stamp.replace(str(environment.VENV), "/elsewhere/.venv"))
    environment.prepare("requirements.txt")
    assert installed[0] == "environment"


def test_two_set_ups_in_one_folder_take_turns(environment: ModuleType, tmp_path: Path) -> None:
    code = "import sys; from environment import *\nwith alone_in(Path(sys.argv[1]), 'waiting'): print('in')"
    with environment.alone_in(tmp_path, "never said"):
        other = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], cwd=DEPLOY, stdout=subprocess.PIPE, text=True
        )
        assert other.stdout
        assert other.stdout.readline() == "waiting\n"
    with other:
        assert other.stdout.read() == "in\n"
    assert other.returncode == 0
