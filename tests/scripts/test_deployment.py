"""What tools know of a deployed environment."""

from typing import Any

import pytest

from scripts.tooling.deployment import Deployment
from scripts.tooling.terraform import Terraform

ROLE = "arn:aws:iam::123456789012:role/tenkacloud-dev-tenant-access"
#: What an environment puts out that was applied before exports, and before services had settings.
OLD: dict[str, Any] = {
    name: {} if name.endswith(("_names", "_urls")) else name
    for name in Deployment.__dataclass_fields__
    if name not in ("settings", "lifecycle", "exports_bucket_name")
} | {"tenant_access_role_arn": ROLE, "something_newer": 1}


class Applied(Terraform):
    """An environment with these outputs."""

    def __init__(self, outputs: dict[str, Any]) -> None:
        super().__init__("dev")
        object.__setattr__(self, "_outputs", outputs)

    def outputs(self) -> dict[str, Any]:
        found: dict[str, Any] = self.__dict__["_outputs"]
        return found


def test_what_an_older_environment_does_not_put_out_is_absent() -> None:
    found = Deployment.of(Applied(OLD))
    assert found.data_bucket_name == "data_bucket_name"
    assert (found.settings, found.lifecycle, found.exports_bucket_name) == ({}, {}, None)


def test_what_is_put_out_is_taken() -> None:
    newer: dict[str, Any] = {
        "lifecycle": {"retention_days_min": 7},
        "exports_bucket_name": "exports",
        "settings": {"a": {}},
    }
    found = Deployment.of(Applied(OLD | newer))
    assert found.lifecycle == newer["lifecycle"]
    assert (found.settings, found.exports_bucket_name) == ({"a": {}}, "exports")


def test_what_every_environment_puts_out_is_required() -> None:
    with pytest.raises(KeyError, match="table_name"):
        Deployment.of(Applied({name: value for name, value in OLD.items() if name != "table_name"}))


def test_a_role_has_the_last_part_of_its_arn_for_a_name() -> None:
    found = Deployment.of(Applied(OLD))
    assert found.tenant_access_role_name == "tenkacloud-dev-tenant-access"
    assert found.tenant_maintenance_role_arn.endswith(":role/tenkacloud-dev-tenant-maintenance")
