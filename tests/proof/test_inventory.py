"""The inventory of stores equals the stores in Terraform's plan."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from tenkacloud.provisioners.inventory import gaps

Plan = dict[str, Any]


def managed(plan: Plan) -> list[tuple[str, str]]:
    """Return the address and the type of every managed resource of a plan."""

    def of(module: Plan) -> Iterator[tuple[str, str]]:
        for each in module.get("resources", []):
            if each["mode"] == "managed":
                yield each["address"], each["type"]
        for child in module.get("child_modules", []):
            yield from of(child)

    return list(of(plan["planned_values"]["root_module"]))


def test_offboarding_knows_every_store_there_is(plan: Plan) -> None:
    assert list(gaps(managed(plan))) == []


def test_a_store_that_is_added_is_missed(plan: Plan) -> None:
    mutant = deepcopy(plan)
    (stack,) = [
        each
        for each in mutant["planned_values"]["root_module"]["child_modules"]
        if each["address"] == "module.stack"
    ]
    address = "module.stack.aws_dynamodb_table.sessions"
    stack.setdefault("resources", []).append(
        {"mode": "managed", "address": address, "type": "aws_dynamodb_table", "values": {}}
    )
    (gap,) = gaps(managed(mutant))
    assert gap.startswith(address)
