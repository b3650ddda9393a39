"""Every statement of every role is needed: taken away, the flow fails. Live, on the shared stack."""

from scripts.verification.least_privilege.least_privilege import (
    DENIES,
    NEEDED,
    NOT_ENFORCED,
    SHORT,
    run,
)
from tests.conftest import Stack


def test_the_flow_fails_without_any_one_statement(stack: Stack) -> None:
    findings = list(run(stack.deployment, stack.clients, SHORT))
    assert {finding.verdict for finding in findings if finding.statement not in NOT_ENFORCED} == {
        NEEDED,
        DENIES,
    }
    functions = {stack.deployment.function_role_names[service] for service in SHORT}
    roles = {*functions, stack.deployment.tenant_access_role_name}
    assert {finding.role for finding in findings if finding.verdict == NEEDED} == roles
