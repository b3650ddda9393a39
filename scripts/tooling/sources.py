"""The source roots: where `import` finds our code.

`pyproject.toml` has the only list of them, as `src` of ruff. Everything else takes it from here: set-up
writes a `.pth` file into a virtual environment (`virtualenv`), so that each Python of it, and with that
pytest, mypy and the commands, finds the roots when it starts. A new service is found by its folder, and
named nowhere.
"""

import glob
import os
import sys
import tomllib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
#: What set-up writes into a virtual environment, and under which name. Python runs it at each start.
PTH_NAME: Final = "tenkacloud-sources.pth"
PTH: Final = (
    f"import sys; sys.path.append({str(ROOT)!r}); "
    "from scripts.tooling import sources; sources.add_to_path()\n"
)


def roots(root: Path = ROOT) -> list[Path]:
    """Return the source roots of a checkout that exist, in the order of the list.

    Raises:
        OSError, tomllib.TOMLDecodeError, KeyError: `pyproject.toml` can't be read.
    """
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    patterns: list[str] = settings["tool"]["ruff"]["src"]
    return [
        Path(os.path.normpath(found))
        for pattern in patterns
        for found in sorted(glob.glob(str(root / pattern)))  # noqa: PTH207 - Path.glob takes no "."
    ]


def add_to_path() -> None:
    """Let this Python import from the source roots: after what PYTHONPATH names, before other packages.

    Mypy is told by its own variable, since it rejects a root that is on Python's path, too.
    """
    found = [str(path) for path in roots()]
    rest = [path for path in sys.path if path not in found]
    if _runs_mypy():
        sys.path[:] = rest
        os.environ["MYPYPATH"] = os.pathsep.join(path for path in found if path != str(ROOT))
        return
    packages = next((n for n, path in enumerate(rest) if path.endswith("site-packages")), len(rest))
    sys.path[:] = [*rest[:packages], *found, *rest[packages:]]


def _runs_mypy() -> bool:
    """Tell whether this is `mypy` or `python -m mypy`. `sys.argv` is not complete yet."""
    return any(Path(argument).name in ("mypy", "dmypy") for argument in sys.orig_argv[1:3])
