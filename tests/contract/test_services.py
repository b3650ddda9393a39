"""Every service is deployed, declared and given exactly what it reads: one catalogue for all of them."""

import dataclasses

import pytest

from scripts.tooling.services import SERVICES
from scripts.verification.proof import declared
from tenkacloud.platform import settings
from tests.conftest import Stack

#: Variables of every function that its own code does not read: Powertools does.
POWERTOOLS = {"POWERTOOLS_LOG_LEVEL", "POWERTOOLS_SERVICE_NAME"}
#: Variables that Lambda itself sets (developer guide, "Defined runtime environment variables"), as far as
#: settings name them.
LAMBDA = {"AWS_LAMBDA_FUNCTION_NAME", "AWS_REGION"}


def test_what_the_proof_declares_is_the_catalogue() -> None:
    assert {name: service.plane for name, service in declared.SERVICES.items()} == {
        name: service.plane for name, service in SERVICES.items()
    }


def test_what_terraform_deploys_is_the_catalogue(stack: Stack) -> None:
    assert set(stack.deployment.lambda_function_names) == set(SERVICES)


@pytest.mark.parametrize("service", SERVICES)
def test_a_setting_has_no_default(service: str) -> None:
    """What a function runs with is written in one place, and that is Terraform."""
    for field in dataclasses.fields(SERVICES[service].load_bootstrap().Settings):
        assert field.default is dataclasses.MISSING
        assert field.default_factory is dataclasses.MISSING


@pytest.mark.parametrize("service", SERVICES)
def test_terraform_gives_a_function_what_its_settings_name_and_no_more(stack: Stack, service: str) -> None:
    wanted = SERVICES[service].load_bootstrap().Settings
    name = stack.deployment.lambda_function_names[service]
    given = stack.clients.lambda_.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    assert set(given) == set(settings.variables(wanted).values()) - LAMBDA | POWERTOOLS
    # and each is of its type
    assert settings.read(wanted, {**dict.fromkeys(LAMBDA, "set by Lambda"), **given})


@pytest.mark.parametrize("service", SERVICES)
def test_terraform_starts_a_function_where_its_handler_is(stack: Stack, service: str) -> None:
    name = stack.deployment.lambda_function_names[service]
    handler = stack.clients.lambda_.get_function_configuration(FunctionName=name)["Handler"]
    assert handler == f"{SERVICES[service].handler_module}.handler"
