"""The services, found from their folders: `backend/services/<plane>/<name>/src/<package>`.

No other list of them is kept. A folder that holds no whole service is an error, and never a service the less.
"""

import ast
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final

from scripts.tooling.project import ROOT, CommandError

FOLDER: Final = ROOT / "backend" / "services"
PLANES: Final = ("control-plane", "application-plane")
#: What each package has to define, by file.
_DEFINITIONS: Final = {"handler.py": ("handler",), "bootstrap.py": ("Settings", "bootstrap")}


@dataclass(frozen=True)
class Service:
    """One function: `name` is its folder's, and the last part of its name in AWS.

    `source` is the root of its sources, which the zip holds and Python's path names.
    """

    name: str
    plane: str
    package: str
    source: Path

    @property
    def handler_module(self) -> str:
        """Module with Lambda's entry point, as Terraform names it."""
        return f"{self.package}.handler"

    @property
    def bootstrap_module(self) -> str:
        """Module with `Settings` and `bootstrap`."""
        return f"{self.package}.bootstrap"

    def load_bootstrap(self) -> ModuleType:
        """Import the module with `Settings` and `bootstrap`. The sources must be on Python's path."""
        return importlib.import_module(self.bootstrap_module)


def find_services(folder: Path) -> Mapping[str, Service]:
    """Return the services of a folder by name, sorted.

    Raises:
        CommandError: a folder is not a service, or two services have the same name or package.
    """
    found: dict[str, Service] = {}
    packages: dict[str, Service] = {}
    for path in sorted(folder.glob("*/*/"), key=lambda path: path.name):
        if not any(each.is_file() and each.suffix != ".pyc" for each in path.rglob("*")):
            continue  # what Python left of a service that is gone, on another branch for example
        service = _service(path)
        for known in (found.get(service.name), packages.get(service.package)):
            if known:
                raise CommandError(f"{path} and {known.source.parent} have the same name or package")
        found[service.name] = packages[service.package] = service
    return found


def _service(path: Path) -> Service:
    plane = path.parent.name
    if plane not in PLANES:
        raise CommandError(f"{path}: the plane is one of {', '.join(PLANES)}")
    source = path / "src"
    packages = sorted(each.parent.name for each in source.glob("*/__init__.py"))
    if len(packages) != 1:
        raise CommandError(f"{source} must hold one package; it holds {', '.join(packages) or 'none'}")
    for name, required in _DEFINITIONS.items():
        module = source / packages[0] / name
        missing = set(required) - _defined_in(module)
        if missing:
            raise CommandError(f"{module} must define {' and '.join(sorted(missing))}")
    return Service(path.name, plane, packages[0], source)


def _defined_in(module: Path) -> set[str]:
    """Return the names that a module defines by itself, none if there is no such file."""
    names: set[str] = set()
    for node in ast.parse(module.read_text()).body if module.is_file() else ():
        match node:
            case (
                ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AnnAssign(target=ast.Name(id=name))
            ):
                names.add(name)
            case ast.Assign(targets=targets):
                names.update(target.id for target in targets if isinstance(target, ast.Name))
    return names


SERVICES: Final = find_services(FOLDER)
