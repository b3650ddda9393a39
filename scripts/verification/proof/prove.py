"""Prove tenant isolation (`docs/proof.md`).

`python -m scripts.verification.proof.prove [--json] [--plan FILE] ENV`

Plans the environment from nothing, reads every policy that bears on tenants' sessions, adds those that the
code writes, and proves for all tenants t and u that no session of t reaches what is u's. Prints a summary;
the table is in `build/reports/`. Exit code: 0 proved, 1 not proved, 2 something can't be read.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from scripts.local_aws.stack import running_engine, terraform_on
from scripts.tooling import reports
from scripts.tooling.aws import Endpoint
from scripts.tooling.project import BUILD, LOCAL, UsageError, run
from scripts.tooling.terraform import Terraform
from scripts.verification.proof.plan import read
from scripts.verification.proof.policy import UnreadableError
from scripts.verification.proof.properties import Result, prove


def main(arguments: list[str]) -> int:
    """Run it; return the exit code."""
    parser = argparse.ArgumentParser(prog="make prove", description=(__doc__ or "").split("\n\n", 1)[1])
    parser.add_argument("environment", metavar="ENV")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument("--plan", type=Path, help="a plan as `terraform show -json` prints it")
    options = parser.parse_args(arguments)
    plan = _read(options.plan) if options.plan else plan_of(options.environment)
    console = Console(stderr=options.json, highlight=False)
    try:
        results = prove(read(plan))
    except UnreadableError as error:
        console.print(f"✗ can't be read: {error}", style="red", soft_wrap=True, markup=False)
        return 2
    as_json = [_as_json(result) for result in results]
    files = reports.write(f"proof-{options.environment}", as_json, [table(results), *_problems(results)])
    if options.json:
        print(json.dumps(as_json, indent=2))
    else:
        summary(results, files).print(console)
    return 0 if all(result.proved for result in results) else 1


def table(results: list[Result]) -> Table:
    """Return the table for people: a property each."""
    rows = Table(title="For all tenants t ≠ u")
    rows.add_column("property")
    rows.add_column("")
    rows.add_column("ms", justify="right")
    for result in results:
        rows.add_row(result.name, "proved" if result.proved else "NOT PROVED", f"{result.milliseconds:.0f}")
    return rows


def summary(results: list[Result], files: list[Path]) -> reports.Summary:
    """Return the summary; `files` hold the rest."""
    proved = sum(result.proved for result in results)
    longest = max(results, key=lambda result: result.milliseconds)
    return reports.Summary(
        passed=proved == len(results),
        verdict=f"{proved} of {len(results)} properties proved for all tenants t ≠ u",
        exceptions=_problems(results),
        figures={
            "time": f"{sum(result.milliseconds for result in results) / 1000:.1f} s to prove them all",
            "longest": f"{longest.milliseconds / 1000:.1f} s: {longest.name}",
        },
        files=files,
    )


def _problems(results: list[Result]) -> list[str]:
    return [f"{result.name}: {result.problem}" for result in results if not result.proved]


def plan_of(environment: str) -> dict[str, Any]:
    """Return the plan of an environment, in JSON; of `local` from nothing, with an engine of its own."""
    BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD, prefix="proof-") as folder:
        if environment != LOCAL:
            terraform = Terraform.of(environment)
            terraform.init()
            return terraform.plan_json(Path(folder))
        with running_engine() as engine:
            return local_plan(engine.endpoint, Path(folder))


def local_plan(endpoint: Endpoint, folder: Path) -> dict[str, Any]:
    """Return the plan of the local environment from nothing, in JSON. The endpoint names the account."""
    terraform = terraform_on(endpoint, folder)
    terraform.init()
    return terraform.plan_json(folder)


def _read(file: Path) -> dict[str, Any]:
    try:
        plan: dict[str, Any] = json.loads(file.read_text())
    except (FileNotFoundError, IsADirectoryError, ValueError) as error:
        raise UsageError(f"{file} can't be read as a plan: {error}") from error
    return plan


def _as_json(result: Result) -> dict[str, Any]:
    found = result.counterexample
    return {
        "property": result.name,
        "proved": result.proved,
        "milliseconds": round(result.milliseconds, 1),
        "problem": result.problem,
        "counterexample": None
        if found is None
        else {
            "session": found.session,
            "other": found.other,
            "action": found.request.action,
            "resource": found.request.resource,
            "keys": dict(found.request.keys),
        },
    }


if __name__ == "__main__":
    run(main)
