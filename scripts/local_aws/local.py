"""The local environment: `python -m scripts.local_aws.local (deploy [--quiet]|stop|destroy)`.

deploy   starts the embedded engine unless `AWS_ENDPOINT_URL` answers already, and applies environments/local
stop     stops the embedded engine, if it was started here; its resources are gone with it
destroy  destroys the resources, then stops
"""

import json
import shutil
import time
import uuid
from pathlib import Path
from typing import Any, Final

from scripts.local_aws.engine.process import EDITION, Engine
from scripts.local_aws.stack import SIDE_BY_SIDE
from scripts.tooling.aws import Clients, Endpoint
from scripts.tooling.project import (
    BUILD,
    LOCAL,
    REGION,
    ROOT,
    CommandError,
    UsageError,
    exclusively,
    run,
    say,
)
from scripts.tooling.terraform import KilledError, Terraform


def main(arguments: list[str]) -> None:
    """Run one command, one at a time."""
    if arguments not in (["deploy"], ["deploy", "--quiet"], ["stop"], ["destroy"]):
        raise UsageError(__doc__ or "")
    with exclusively("deploy-local", "deploying, stopping or destroying"):
        match arguments:
            case ["deploy"]:
                print(next_steps(deploy()))
            case ["deploy", "--quiet"]:
                deploy()
            case ["stop"]:
                say("engine stopped" if stop() else "no engine of ours is running")
            case _:
                destroy()


def deploy() -> Terraform:
    """Bring the local environment up to date; return its Terraform.

    Raises:
        CommandError: the port is taken by something else, or Terraform failed.
    """
    endpoint = Endpoint.configured()
    terraform = Terraform.of(LOCAL)
    state, mark = terraform.state_file, _mark(endpoint)
    started = ensure_engine(endpoint)
    killed = mark.is_file() and not started
    if started:
        _set_aside(state, "the engine is new")
    elif state.is_file() and _content(state) is None:
        _begin_anew(endpoint, state, "the Terraform state is unreadable (was a deployment killed?)")
    elif _is_stale(state):
        _set_aside(state, "the endpoint was restarted")
    elif not state.is_file():
        _refuse_foreign_stack(endpoint)
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()
    try:
        say(_applied(terraform))
    except KilledError:
        raise
    except CommandError:
        if not killed or Engine(endpoint.port).process() is None:
            mark.unlink()
            raise
        # Terraform had no time to write down what it made, and now finds it there.
        _begin_anew(endpoint, state, "a deployment was killed, and can't be gone on with")
        say(_applied(terraform))
    mark.unlink()
    return terraform


def _applied(terraform: Terraform) -> str:
    terraform.init()
    say("applying environments/local (from nothing: about a minute)")
    return terraform.apply(SIDE_BY_SIDE)


def _mark(endpoint: Endpoint) -> Path:
    """Return the file that is there while Terraform applies: one that is left tells of a killed one."""
    return BUILD / "state" / f"{endpoint.port}.applying"


def _begin_anew(endpoint: Endpoint, state: Path, reason: str) -> None:
    """Set a state aside, and start the engine anew: what it holds is in no state any more.

    Another's endpoint is left alone. If it holds a stack, that is refused.

    Raises:
        CommandError: it does.
    """
    _set_aside(state, reason)
    if Engine(endpoint.port).stop():
        ensure_engine(endpoint)
    else:
        _refuse_foreign_stack(endpoint)


def ensure_engine(endpoint: Endpoint) -> bool:
    """Make sure that the endpoint answers; return whether the engine had to be started.

    Raises:
        CommandError: something else listens there, or an endpoint elsewhere does not answer.
    """
    if endpoint.is_open():
        if not endpoint.is_aws():
            raise CommandError(
                f"{endpoint.url} answers, but not as an AWS endpoint; stop what listens there, "
                "or set AWS_ENDPOINT_URL to another port"
            )
        say(f"using the AWS endpoint that answers at {endpoint.url}")
        if endpoint.edition() not in (None, EDITION):
            say(
                "note: this MiniStack was started without our extension; if it enforces IAM (AUTH=true), "
                "bucket policies that are for TLS only refuse the functions here (docs/local-engine.md)"
            )
        return False
    if not endpoint.is_loopback():
        raise CommandError(f"{endpoint.url} does not answer; an engine is started on http://127.0.0.1 only")
    engine = Engine(endpoint.port)
    engine.start()
    say(f"engine started at {endpoint.url} (log: {engine.log.relative_to(ROOT)})")
    return True


def stop() -> bool:
    """Stop the embedded engine; return whether it ran."""
    return Engine(Endpoint.configured().port).stop()


def destroy() -> None:
    """Destroy the resources, if there is an endpoint that has them, and stop the engine."""
    endpoint = Endpoint.configured()
    terraform = Terraform.of(LOCAL)
    state = terraform.state_file
    answers = endpoint.is_open() and endpoint.is_aws()
    if state.is_file() and _content(state) is None:
        _set_aside(state, "the Terraform state is unreadable (was a deployment killed?)")
        if answers and Engine(endpoint.port).process() is None:
            say(f"what {endpoint.url} holds stays there: restart it")
    elif answers and state.is_file() and not _is_stale(state):
        terraform.init()
        say("destroying environments/local")
        terraform.run("destroy", "-auto-approve", "-input=false", "-no-color", SIDE_BY_SIDE, quiet=True)
        state.unlink(missing_ok=True)
    else:
        say("nothing is deployed")
        _set_aside(state, "nothing is deployed")
    if stop():
        say("engine stopped")


def next_steps(terraform: Terraform) -> str:
    """Return what to try on a deployed stack."""
    outputs = terraform.outputs()
    url = Endpoint.configured().url
    return f"""
TenkaCloud is running at {url}. Try:

  make e2e                              one tenant of each tier, hop by hop
  .venv/bin/tenkacloud tenants list     who is there (--help: what else operators do)
  make stop-local                       stop the engine; make destroy-local removes everything

Write a tenant with the AWS CLI, and follow it (test/test is root here):

  export AWS_ENDPOINT_URL={url} AWS_DEFAULT_REGION={outputs["region"]}
  export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
  aws dynamodb put-item --table-name {outputs["table_name"]} --item '{{
    "PK": {{"S": "TENANT#acme"}}, "SK": {{"S": "METADATA"}}, "id": {{"S": "acme"}},
    "name": {{"S": "Acme"}}, "tier": {{"S": "PRO"}}, "provisioningStatus": {{"S": "PENDING"}}}}'
  .venv/bin/tenkacloud tenants show acme --watch
"""


def _refuse_foreign_stack(endpoint: Endpoint) -> None:
    """Refuse an endpoint that holds the stack of another checkout: Terraform would only say "exists".

    Raises:
        CommandError: it does.
    """
    if _has_table(f"TenkaCloud-{LOCAL}"):
        raise CommandError(
            f"{endpoint.url} already holds a stack that this checkout did not deploy; stop it where it was "
            "deployed (make stop-local), or set AWS_ENDPOINT_URL to another port"
        )


def _is_stale(state: Path) -> bool:
    """Tell whether a state is of an endpoint that is gone, or can't be read.

    A restarted engine is empty: of the tables, buses and roles that the state holds, it has none. Half of a
    stack is left to Terraform, which mends it.
    """
    if not state.is_file():
        return False
    content = _content(state)
    if content is None:
        return True
    names = {kind: _names(content, kind) for kind in _TOLD_BY}
    clients = Clients(LOCAL, REGION)
    buses = {bus["Name"] for bus in clients.events.list_event_buses()["EventBuses"]}
    roles = {
        role["RoleName"]
        for page in clients.iam.get_paginator("list_roles").paginate()
        for role in page["Roles"]
    }
    there = (
        names[_BUS] & buses or names[_ROLE] & roles or any(_has_table(name) for name in sorted(names[_TABLE]))
    )
    return any(names.values()) and not there


_TABLE: Final = "aws_dynamodb_table"
_BUS: Final = "aws_cloudwatch_event_bus"
_ROLE: Final = "aws_iam_role"
_TOLD_BY: Final = (_TABLE, _BUS, _ROLE)


def _names(content: dict[str, Any], kind: str) -> set[str]:
    """Return the names of the resources of a kind in a state, be it half of a stack."""
    return {
        str(instance["attributes"]["name"])
        for resource in content.get("resources", [])
        if resource.get("mode") == "managed" and resource.get("type") == kind
        for instance in resource.get("instances", [])
    }


def _content(state: Path) -> dict[str, Any] | None:
    """Return what a state holds, None if it can't be read: Terraform, killed, leaves it empty or half."""
    try:
        content = json.loads(state.read_bytes())
    except ValueError:
        return None
    return content if isinstance(content, dict) and "version" in content else None


def _has_table(name: str) -> bool:
    dynamodb = Clients(LOCAL, REGION).dynamodb
    try:
        dynamodb.describe_table(TableName=name)
    except dynamodb.exceptions.ResourceNotFoundException:
        return False
    return True


def _set_aside(state: Path, reason: str) -> None:
    """Move a state that describes nothing any more out of the way; it is kept in `build/`."""
    if not state.is_file():
        return
    kept = BUILD / "old-state" / f"{time.strftime('%Y%m%dT%H%M%S')}-{uuid.uuid4().hex[:4]}.tfstate"
    kept.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(state, kept)
    state.with_suffix(".tfstate.backup").unlink(missing_ok=True)
    state.with_name(f".{state.name}.lock.info").unlink(missing_ok=True)  # of one that was killed
    say(f"{reason}: the old Terraform state is set aside ({kept.relative_to(BUILD.parent)})")


if __name__ == "__main__":
    run(main)
