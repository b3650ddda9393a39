"""The catalogue of services is what the folders hold."""

from pathlib import Path

import pytest

from scripts.tooling.project import CommandError
from scripts.tooling.services import FOLDER, SERVICES, find_services

HANDLER = "handler = lambda event, context: None\n"
BOOTSTRAP = "class Settings: ...\n\ndef bootstrap(settings, clients, clock): ...\n"


def write(folder: Path, path: str, package: str = "a_service", **files: str) -> Path:
    """Write a service; a file that is given as an empty text is left out."""
    source = folder / path / "src" / package
    source.mkdir(parents=True)
    (source / "__init__.py").touch()
    for name, text in {"handler": HANDLER, "bootstrap": BOOTSTRAP, **files}.items():
        if text:
            (source / f"{name}.py").write_text(text)
    return source


def test_every_handler_belongs_to_a_service() -> None:
    handlers = set(FOLDER.rglob("handler.py"))
    assert handlers
    assert {service.source / service.package / "handler.py" for service in SERVICES.values()} == handlers


def test_a_new_folder_is_a_service(tmp_path: Path) -> None:
    write(tmp_path, "control-plane/b-service", "b_service")
    write(tmp_path, "application-plane/a-service", "a_service")
    services = find_services(tmp_path)
    assert list(services) == ["a-service", "b-service"]
    service = services["b-service"]
    assert (service.name, service.plane, service.package) == ("b-service", "control-plane", "b_service")
    assert (service.handler_module, service.bootstrap_module) == ("b_service.handler", "b_service.bootstrap")
    assert service.source == tmp_path / "control-plane" / "b-service" / "src"


@pytest.mark.parametrize(
    ("files", "missing"),
    [
        ({"handler": ""}, "handler.py must define handler"),
        ({"handler": "x = 1\n"}, "handler.py must define handler"),
        ({"bootstrap": ""}, "bootstrap.py must define Settings and bootstrap"),
        ({"bootstrap": "class Settings: ...\n"}, "bootstrap.py must define bootstrap"),
    ],
)
def test_a_service_that_is_not_whole_is_an_error(tmp_path: Path, files: dict[str, str], missing: str) -> None:
    write(tmp_path, "control-plane/a-service", **files)
    with pytest.raises(CommandError, match=missing):
        find_services(tmp_path)


def test_what_python_left_of_a_service_is_none(tmp_path: Path) -> None:
    left = tmp_path / "control-plane" / "a-service" / "src" / "a_service" / "__pycache__"
    left.mkdir(parents=True)
    (left / "handler.cpython-311.pyc").touch()
    assert find_services(tmp_path) == {}


def test_a_service_is_one_package(tmp_path: Path) -> None:
    write(tmp_path, "control-plane/a-service", "one")
    write(tmp_path, "control-plane/a-service", "two")
    with pytest.raises(CommandError, match="must hold one package; it holds one, two"):
        find_services(tmp_path)


def test_a_service_without_a_package_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "control-plane" / "a-service" / "src").mkdir(parents=True)
    (tmp_path / "control-plane" / "a-service" / "src" / "handler.py").touch()
    with pytest.raises(CommandError, match="must hold one package; it holds none"):
        find_services(tmp_path)


def test_a_service_belongs_to_a_plane(tmp_path: Path) -> None:
    write(tmp_path, "other-plane/a-service")
    with pytest.raises(CommandError, match="the plane is one of control-plane, application-plane"):
        find_services(tmp_path)


@pytest.mark.parametrize(
    ("other", "package"), [("application-plane/a-service", "b"), ("control-plane/b-service", "a_service")]
)
def test_a_name_and_a_package_are_of_one_service(tmp_path: Path, other: str, package: str) -> None:
    write(tmp_path, "control-plane/a-service", "a_service")
    write(tmp_path, other, package)
    with pytest.raises(CommandError, match="have the same name or package"):
        find_services(tmp_path)
