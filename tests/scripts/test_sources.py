"""A new service is found by every tool, by its folder alone."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from scripts.tooling import sources
from scripts.tooling.project import ROOT

TEST = """import pytest

from throwaway.decisions import double


def test_double() -> None:
    assert double(2) == 4
    with pytest.raises(TypeError):
        double()
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with one service, and an environment as set-up makes it."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copy(ROOT / "pyproject.toml", folder)
    files = {
        "scripts/__init__.py": "",
        "scripts/tooling/__init__.py": "",
        "scripts/tooling/sources.py": (ROOT / "scripts" / "tooling" / "sources.py").read_text(),
        "backend/shared/src/tenkacloud/__init__.py": "",
        "backend/services/control-plane/throwaway/src/throwaway/__init__.py": "",
        "backend/services/control-plane/throwaway/src/throwaway/decisions.py": (
            "def double(number: int) -> int:\n    return 2 * number\n"
        ),
        "tests/__init__.py": "",
        "tests/unit/test_throwaway.py": TEST,
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / ".venv"], check=True)
    (packages,) = (folder / ".venv").glob("lib/python*/site-packages")
    (packages / "zz-tools.pth").write_text(sysconfig.get_path("purelib"))
    program = "from scripts.tooling import sources; print(end=sources.PTH)"
    (packages / sources.PTH_NAME).write_text(
        subprocess.run(
            [sys.executable, "-E", "-S", "-c", program],
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    )
    return folder


def run(checkout: Path, *arguments: str, folder: str = ".") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [checkout / ".venv" / "bin" / "python", *arguments],
        cwd=checkout / folder,
        env={"PATH": ""},
        check=False,
        capture_output=True,
        text=True,
    )


def test_python_finds_it_from_any_folder(checkout: Path) -> None:
    program = "import tenkacloud, throwaway.decisions; print(throwaway.decisions.double(21))"
    done = run(checkout, "-c", program, folder="tests")
    assert (done.stdout, done.stderr) == ("42\n", "")


def test_what_pythonpath_names_comes_first(checkout: Path, tmp_path: Path) -> None:
    """A zip that is measured or tested must not be mixed with the sources beside it."""
    (tmp_path / "throwaway.py").write_text("HERE = True\n")
    done = subprocess.run(
        [checkout / ".venv" / "bin" / "python", "-c", "import throwaway; print(throwaway.HERE)"],
        env={"PATH": "", "PYTHONPATH": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "True\n", done.stderr


def test_pytest_finds_it(checkout: Path) -> None:
    without_ours = ("-p", "no:cacheprovider", "-o", "addopts=")
    done = run(checkout, "-m", "pytest", "-q", *without_ours, "tests/unit")
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_mypy_finds_its_types(checkout: Path) -> None:
    done = run(checkout, "-m", "mypy", "tests/unit/test_throwaway.py")
    # The call without an argument, which only whoever has read the source can know to be wrong
    assert 'Missing positional argument "number" in call to "double"' in done.stdout, (
        done.stdout + done.stderr
    )
    assert "Found 1 error in 1 file" in done.stdout


def test_ruff_sorts_it_as_our_own(checkout: Path) -> None:
    ruff = ("-m", "ruff", "check", "--no-cache", "--isolated", "--select", "I")
    assert run(checkout, *ruff[:3], "--no-cache", "--select", "I", "tests").returncode == 0
    # AND without the list it would be sorted as anybody's
    assert run(checkout, *ruff, "tests").returncode == 1
