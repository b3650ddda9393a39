"""What long checks print, and what they put into files."""

import io
import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from scripts.tooling import reports
from scripts.tooling.reports import LINES_MAX, Summary


def test_a_summary_says_verdict_exceptions_figures_and_where_the_rest_is() -> None:
    summary = Summary(
        passed=False,
        verdict="3 of 4 tenants",
        exceptions=["one is\nnot there"],
        figures={"time": "2 s in all", "longest": "1 s"},
        advice=["look at the log"],
        files=[Path("build/reports/x.txt")],
    )
    assert summary.lines() == [
        "✗ failed: 3 of 4 tenants",
        "✗ one is not there",
        "  look at the log",
        "  time     2 s in all",
        "  longest  1 s",
        "  report: build/reports/x.txt",
    ]


def test_a_summary_stays_short_and_tells_what_it_leaves_out() -> None:
    summary = Summary(
        passed=False,
        verdict="bad",
        exceptions=[f"problem {n}" for n in range(100)],
        figures={"time": "2 s"},
        advice=["look here"],
        files=[Path("all.txt")],
    )
    lines = summary.lines()
    assert len(lines) == LINES_MAX
    assert lines[0] == "✗ failed: bad"
    kept = [line for line in lines if line.startswith("✗ problem")]
    assert f"  … and {100 - len(kept)} more, in the report" in lines
    assert lines[-2:] == ["  time  2 s", "  report: all.txt"]


def test_a_summary_is_printed_as_it_is_whatever_it_holds() -> None:
    output = io.StringIO()
    Summary(passed=True, verdict="[red]x[/red] " + "y" * 300).print(Console(file=output, width=80))
    assert output.getvalue() == f"✓ passed: [red]x[/red] {'y' * 300}\n"


def test_a_report_is_written_for_people_and_for_programs(tmp_path: Path) -> None:
    table = Table("name", "value")
    table.add_row("a", "x" * 150)
    as_text, as_json = reports.write("run", {"a": 1}, [table, "✗ [odd] line"], tmp_path / "new")
    assert json.loads(as_json.read_text()) == {"a": 1}
    text = as_text.read_text()
    assert "x" * 150 in text
    assert "✗ [odd] line\n" in text
