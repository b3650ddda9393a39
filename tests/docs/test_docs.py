"""The documents say what there is: links, paths and commands in them exist, translations keep step."""

import itertools
import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from scripts.operator.app import app
from scripts.tooling.project import ROOT

#: The design is quoted word for word, and the change log names what is gone.
QUOTED = ("docs/design/phase2-sbt-tenant-isolation.md",)
HISTORY = ("CHANGELOG.md",)
PAGES = sorted(
    str(path.relative_to(ROOT))
    for pattern in ("*.md", "docs/**/*.md", ".github/**/*.md")
    for path in ROOT.glob(pattern)
)
CURRENT = [page for page in PAGES if page not in (*QUOTED, *HISTORY)]
TRANSLATIONS = [("README.md", "README.ja.md")]

#: Where a path that a document names may begin.
ROOTS = (
    ROOT,
    ROOT / "backend/shared/src",
    ROOT / "infrastructure/terraform",
    *(ROOT / "backend/services").glob("*/*/src"),
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
ALARM = re.compile(r"[a-z-]+(, [a-z-]+)*")


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def prose_of(page: str) -> str:
    """Return a page without its blocks of code."""
    return FENCE.sub("", text_of(page))


def blocks_of(page: str, language: str) -> list[str]:
    return [content for name, content in FENCE.findall(text_of(page)) if name == language]


def code_of(page: str) -> Iterator[str]:
    """Yield each piece of inline code, and each line of a block of commands."""
    yield from (code.replace("\n", " ") for code in re.findall(r"`([^`]+)`", prose_of(page)))
    for block in blocks_of(page, "console"):
        yield from without_comments(block)


def without_comments(block: str) -> list[str]:
    return [re.sub(r"(^|\s+)#.*", "", line) for line in block.splitlines()]


def headings_of(page: str) -> list[tuple[int, str]]:
    return [(len(level), title) for level, title in HEADING.findall(prose_of(page))]


def anchors_of(page: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for _, title in headings_of(page)}


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z0-9-]*):(?!=)", text_of("Makefile"), flags=re.MULTILINE))


def tenkacloud_commands(page: str) -> Iterator[tuple[list[str], list[str]]]:
    """Yield the words and the long options of each command of the operator's tool that a page names."""
    for code in code_of(page):
        for call in re.findall(r"\btenkacloud ((?:[^\s|]+ ?)+)", code):
            words = call.split()
            commands = list(itertools.takewhile(lambda word: re.fullmatch(r"[a-z][a-z-]*", word), words))
            yield commands, [word.split("=")[0] for word in words if word.startswith("--")]


def paths_of(page: str) -> Iterator[str]:
    """Yield what looks like a path of this repository, `<name>` standing for any."""
    folders = {path.name for root in ROOTS for path in root.iterdir() if path.is_dir()}
    tops = {name for name in folders if name[0] != "." or name in (".ci", ".github")} - {"build"}
    for code in code_of(page):
        for word in code.split()[:1]:
            path = word.split(":")[0]
            if "/" in path and "…" not in path and path.split("/")[0] in tops:
                yield path.rstrip("/")


def exists(path: str) -> bool:
    pattern = re.sub(r"<\w+>", "*", path)
    return any(any(root.glob(pattern)) for root in ROOTS)


@pytest.mark.parametrize("page", PAGES)
def test_each_relative_link_leads_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose_of(page)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        linked = (ROOT / page).parent / name if name else ROOT / page
        assert linked.exists(), f"{page} links to {target}"
        if anchor:
            assert anchor in anchors_of(str(linked.resolve().relative_to(ROOT))), f"{page} links to {target}"


@pytest.mark.parametrize("page", CURRENT)
def test_each_make_target_exists(page: str) -> None:
    named = {name for code in code_of(page) for name in re.findall(r"\bmake ([a-z][a-z0-9-]*)", code)}
    assert named <= make_targets()


@pytest.mark.parametrize("page", CURRENT)
def test_each_command_of_the_operators_tool_exists_with_its_options(page: str) -> None:
    for words, options in tenkacloud_commands(page):
        command: Any = typer.main.get_command(app)
        for word in words:
            if not hasattr(command, "commands"):
                break  # an argument
            assert word in command.commands, f"{page}: tenkacloud {' '.join(words)}"
            command = command.commands[word]
        known = {"--help", *(option for parameter in command.params for option in parameter.opts)}
        assert set(options) <= known, f"{page}: tenkacloud {' '.join(words)}"


@pytest.mark.parametrize("page", CURRENT)
def test_each_path_exists(page: str) -> None:
    assert [path for path in paths_of(page) if not exists(path)] == []


@pytest.mark.parametrize(("page", "translation"), TRANSLATIONS)
def test_a_translation_has_the_same_sections_and_commands(page: str, translation: str) -> None:
    def levels(of: str) -> list[int]:
        return [level for level, _ in headings_of(of)]

    def commands(of: str) -> list[list[str]]:
        return [without_comments(block) for block in blocks_of(of, "console")]

    assert levels(page) == levels(translation)
    assert commands(page) == commands(translation)


def test_the_translated_runbook_has_the_same_alarms() -> None:
    def alarms(page: str) -> list[str]:
        return [title for _, title in headings_of(page) if ALARM.fullmatch(title)]

    assert alarms("docs/operations.md")
    assert alarms("docs/operations.md") == alarms("docs/operations.ja.md")


def test_a_missing_path_and_a_wrong_anchor_would_be_noticed() -> None:
    assert not exists("scripts/tooling/there_is_no_such_file.py")
    assert not exists("backend/services/<plane>/no-such-service")
    assert exists("backend/services/<plane>/provisioning")
    assert "there-is-no-such-section" not in anchors_of("README.md")
    assert "two-commands" in anchors_of("README.md")
