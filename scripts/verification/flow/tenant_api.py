"""The tenants' HTTP API as a tenant's client uses it: users of the Cognito pool, their tokens, requests."""

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from scripts.tooling.aws import Clients
from scripts.tooling.deployment import Deployment
from scripts.tooling.project import CommandError

_SECONDS: Final = 30


@dataclass(frozen=True)
class Answer:
    """What the API answered: HTTP status, the body as JSON or, if it is none, as bytes, and headers.

    The headers' names are in lower case.
    """

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def retry_after(self) -> float | None:
        """Seconds after which to try again; None: it does not say."""
        value = self.headers.get("retry-after", "")
        return float(value) if value.isascii() and value.isdigit() else None


@dataclass(frozen=True)
class TenantApi:
    """The API of one deployment."""

    url: str

    def call(
        self,
        method: str,
        path: str,
        token: str | None,
        body: object = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send a request and return the answer, whatever its status. `body` is bytes, or sent as JSON.

        Raises:
            CommandError: nothing answers.
        """
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        request = Request(  # noqa: S310 - the deployment's own URL
            f"{self.url.rstrip('/')}{path}",
            method=method,
            data=data,
            headers={
                "Content-Type": kind,
                **({"Authorization": f"Bearer {token}"} if token else {}),
                **(headers or {}),
            },
        )
        try:
            with urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
                return _answer(answer.status, answer.read(), answer.headers)
        except HTTPError as error:
            with error:
                return _answer(error.code, error.read(), error.headers)
        except OSError as error:
            raise CommandError(f"the API at {self.url} does not answer: {error}") from error


@contextmanager
def user_of(deployment: Deployment, clients: Clients, tenant_id: str) -> Iterator[str]:
    """Yield a token of a new user of a tenant; the user is deleted afterwards.

    Raises:
        CommandError: the tokens come from elsewhere than the deployment's own Cognito pool.
    """
    pool, client = deployment.user_pool_id, deployment.user_pool_client_id
    if pool is None or client is None:
        raise CommandError(f"tokens of {deployment.jwt_issuer} can't be had here")
    cognito = clients.cognito
    name = f"e2e-{secrets.token_hex(8)}"
    password = f"Aa1!{secrets.token_urlsafe(24)}"
    cognito.admin_create_user(
        UserPoolId=pool,
        Username=name,
        MessageAction="SUPPRESS",
        UserAttributes=[{"Name": deployment.tenant_claim, "Value": tenant_id}],
    )
    try:
        cognito.admin_set_user_password(UserPoolId=pool, Username=name, Password=password, Permanent=True)
        signed_in = cognito.initiate_auth(
            ClientId=client,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": name, "PASSWORD": password},
        )
        yield signed_in["AuthenticationResult"]["IdToken"]
    finally:
        cognito.admin_delete_user(UserPoolId=pool, Username=name)


def _answer(status: int, body: bytes, headers: Any) -> Answer:
    return Answer(status, _content(body), {name.lower(): value for name, value in headers.items()})


def _content(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except ValueError:
        return body
