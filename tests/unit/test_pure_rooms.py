"""Pure modules: what they decide depends on their arguments alone.

By rule, not by list: so a new file of these rooms is held to it without anybody thinking of it.
"""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.tooling.build import SHARED
from scripts.tooling.services import SERVICES

#: Files of the pure rooms that have effects, each for all of its module.
EFFECTS = {
    "tenkacloud.tenants.repository",
    "tenkacloud.tenants.requester",
    "tenkacloud.events.bus",
    "tenkacloud.events.consumer",
    "tenkacloud.events.queue_consumer",
    "tenkacloud.isolation.maintenance",
    "tenkacloud.isolation.sessions",
}
ROOMS = (
    "errors.py",
    "tenants/**/*.py",
    "events/*.py",
    "isolation/*.py",
    "objects/comparison.py",
    "platform/settings.py",
    "provisioners/inventory.py",
)
#: A service's files of these names.
PURE_FILES = ("decisions.py", "operations.py", "requests.py")
#: What pure code can't have: clients, and a library that reads the environment when it is imported.
FORBIDDEN_MODULES = ("boto3", "botocore", "aws_lambda_powertools", "mypy_boto3_s3")
#: Attributes by which the environment, a clock or chance is read.
FORBIDDEN_READS = {
    ("os", "environ"),
    ("os", "getenv"),
    ("os", "urandom"),
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("date", "today"),
    ("time", "time"),
    ("time", "monotonic"),
    ("time", "perf_counter"),
    ("time", "sleep"),
    ("uuid", "uuid4"),
    ("secrets", "token_hex"),
    ("tenkacloud.platform.clock", "SystemClock"),
}
FORBIDDEN_IMPORTS = {"random", "secrets", "socket", "threading", "concurrent.futures", "subprocess"}


def pure_modules() -> dict[str, Path]:
    """Return the pure modules of the shared package and of the services, by name."""
    package = SHARED / "tenkacloud"
    paths = [path for pattern in ROOMS for path in sorted(package.glob(pattern))]
    found = {_name(path, SHARED): path for path in paths}
    for service in SERVICES.values():
        source = service.source
        found |= {_name(path, source): path for name in PURE_FILES for path in source.glob(f"*/{name}")}
    return {name: path for name, path in found.items() if name not in EFFECTS}


def _name(path: Path, source: Path) -> str:
    return ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__")


MODULES = pure_modules()


def test_the_rooms_are_where_the_rule_looks() -> None:
    assert {"tenkacloud.errors", "tenkacloud.tenants.record", "tenkacloud.tenants.transitions.retry"} <= set(
        MODULES
    )
    assert {f"{service.package}.decisions" for service in SERVICES.values()} & set(MODULES)
    for name in EFFECTS:
        assert importlib.util.find_spec(name), f"{name} is gone: it is not to be left out any more"


def test_a_clean_interpreter_imports_every_pure_module_without_aws() -> None:
    """In one process: whichever of them loads a client's library, it is told."""
    program = f"""
import importlib, sys
for name in {sorted(MODULES)!r}:
    importlib.import_module(name)
    loaded = sorted(set({FORBIDDEN_MODULES!r}) & set(sys.modules))
    if loaded:
        sys.exit(f"{{name}} loads {{loaded}}")
"""
    sources = [SHARED, *(service.source for service in SERVICES.values())]
    # Isolated, so that neither the environment nor a site's start-up files load anything.
    paths = f"import sys; sys.path[:0] = {[str(source) for source in sources]!r}\n"
    done = subprocess.run(
        [sys.executable, "-I", "-c", paths + program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_pure_module_reads_no_environment_no_clock_and_no_chance(name: str) -> None:
    assert list(impurities(MODULES[name].read_text())) == []


def impurities(source: str) -> list[str]:
    """Return what a source text reads besides its arguments."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if (node.value.id, node.attr) in FORBIDDEN_READS:
                found.append(f"{node.value.id}.{node.attr}")
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name in FORBIDDEN_IMPORTS]
        elif isinstance(node, ast.ImportFrom):
            names = [(node.module, alias.name) for alias in node.names]
            found += [f"{module}.{name}" for module, name in names if (module, name) in FORBIDDEN_READS]
            found += [node.module] if node.module in FORBIDDEN_IMPORTS else []
    return found


@pytest.mark.parametrize(
    ("source", "read"),
    [
        ("import os\nos.environ['X']", ["os.environ"]),
        ("from os import environ", ["os.environ"]),
        ("from datetime import UTC, datetime\ndatetime.now(UTC)", ["datetime.now"]),
        ("import time\ntime.time()", ["time.time"]),
        ("from time import sleep", ["time.sleep"]),
        ("import random", ["random"]),
        ("from tenkacloud.platform.clock import SystemClock", ["tenkacloud.platform.clock.SystemClock"]),
        ("from datetime import datetime\ndatetime.fromisoformat('x')", []),
    ],
)
def test_the_rule_sees_what_it_is_to_see(source: str, read: list[str]) -> None:
    assert impurities(source) == read
