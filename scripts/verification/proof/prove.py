"""Prove tenant isolation (`docs/proof.md`).

`python -m scripts.verification.proof.prove [--json] [--plan FILE] ENV`

Plans the environment from nothing, reads every policy that bears on tenants' sessions, adds those that the
code writes, and proves for all tenants t and u that no session of t reaches what is u's.
Exit code: 0 proved, 1 refused, 2 something can't be read.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from scripts.local_aws.engine.process import Engine, free_port
from scripts.tooling.project import BUILD, LOCAL, UsageError, run
from scripts.tooling.terraform import Terraform
from scripts.verification.proof.plan import read
from scripts.verification.proof.policy import Unreadable
from scripts.verification.proof.properties import Result, prove


def main(arguments: list[str]) -> int:
    """Run it; return the exit code."""
    parser = argparse.ArgumentParser(prog="make prove", description=(__doc__ or "").split("\n\n", 1)[1])
    parser.add_argument("environment", metavar="ENV")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument("--plan", type=Path, help="a plan as `terraform show -json` prints it")
    options = parser.parse_args(arguments)
    plan = _read(options.plan) if options.plan else plan_of(options.environment)
    console = Console(stderr=options.json, highlight=False, width=None if sys.stdout.isatty() else 160)
    try:
        results = prove(read(plan))
    except Unreadable as error:
        console.print(f"✗ can't be read: {error}", style="red", soft_wrap=True, markup=False)
        return 2
    if options.json:
        print(json.dumps([_as_json(result) for result in results], indent=2))
    else:
        show(console, results)
    return 0 if all(result.proved for result in results) else 1


def show(console: Console, results: list[Result]) -> None:
    """Print the results for people."""
    table = Table(title="For all tenants t ≠ u")
    table.add_column("property")
    table.add_column("")
    table.add_column("ms", justify="right")
    for result in results:
        verdict = "[green]proved[/green]" if result.proved else "[red]REFUSED[/red]"
        table.add_row(result.name, verdict, f"{result.milliseconds:.0f}")
    console.print(table)
    for result in results:
        if not result.proved:
            console.print(f"✗ {result.name}: {result.problem}", style="red", soft_wrap=True, markup=False)
    proved = sum(result.proved for result in results)
    console.print(f"{proved} of {len(results)} properties proved", markup=False)


def plan_of(environment: str) -> dict[str, Any]:
    """Return the plan of an environment, in JSON; of `local` from nothing, with an engine of its own."""
    BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD, prefix="proof-") as folder:
        if environment != LOCAL:
            terraform = Terraform.of(environment)
            terraform.init()
            return terraform.plan_json(Path(folder))
        engine = Engine(free_port())
        engine.start()
        try:
            return local_plan(engine, Path(folder))
        finally:
            engine.stop()


def local_plan(engine: Engine, folder: Path) -> dict[str, Any]:
    """Return the plan of the local environment from nothing, in JSON. The engine names the account."""
    terraform = Terraform(
        LOCAL,
        variables={"aws_endpoint_url": engine.endpoint.url},
        data_dir=folder / "data",
        state=folder / "terraform.tfstate",
    )
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
