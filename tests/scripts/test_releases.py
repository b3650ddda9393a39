"""What a release promises: its version is in the changelog, and everything that is installed is pinned."""

import re
from pathlib import Path

import pytest

from scripts.tooling.project import REQUIREMENTS, ROOT
from tenkacloud import __version__

HEADING = re.compile(r"^## \[(?P<version>\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$", re.MULTILINE)
INPUTS = sorted(REQUIREMENTS.glob("*.in"))


def _names(path: Path) -> set[str]:
    """Return the packages that a file of requirements names itself, as pip writes names."""
    found = re.findall(r"^([A-Za-z0-9][A-Za-z0-9._-]*)", path.read_text(), re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower() for name in found}


def test_the_newest_release_of_the_changelog_is_the_version() -> None:
    versions = [match["version"] for match in HEADING.finditer((ROOT / "CHANGELOG.md").read_text())]
    assert versions[0] == __version__
    assert versions == sorted(versions, key=lambda version: [*map(int, version.split("."))], reverse=True)


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.name)
def test_what_is_asked_for_is_pinned_with_hashes(path: Path) -> None:
    pins = path.with_suffix(".txt").read_text()
    assert _names(path) <= _names(path.with_suffix(".txt"))
    entries = re.split(r"^(?=[a-z0-9])", pins, flags=re.MULTILINE)[1:]
    assert entries
    assert [entry for entry in entries if not re.match(r"\S+==\S+ .*--hash=sha256:", entry, re.DOTALL)] == []


def test_actions_are_pinned_by_commit_and_say_which_version_that_is() -> None:
    uses = [
        line.split("uses:", 1)[1].strip()
        for path in (ROOT / ".github" / "workflows").glob("*.yml")
        for line in path.read_text().splitlines()
        if "uses:" in line
    ]
    assert uses
    assert [each for each in uses if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each)] == []
