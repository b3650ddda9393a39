"""Clients of the functions that note what is called, and answer some of it otherwise than moto would."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from tenkacloud.platform.clients import Clients
from tests.handlers.conftest import Cloud


def clients_of(cloud: Cloud, **replaced: Any) -> Clients:
    """Return the clients of a cloud, with some of them replaced."""
    clients = Clients()
    vars(clients).update({**vars(cloud.clients), **replaced})
    return clients


def error(code: str, operation: str = "") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}}, operation)


@dataclass
class Calls:
    """The calls that went through some clients, by the operation's name, and what answers the next ones."""

    names: list[str] = field(default_factory=list)
    arguments: list[dict[str, Any]] = field(default_factory=list)
    answers: dict[str, list[Any]] = field(default_factory=dict)

    def reject(self, operation: str, *codes: str) -> None:
        """Answer the next calls of an operation with these errors."""
        self.answers[operation] = [error(code, operation) for code in codes]

    def clients(self, cloud: Cloud) -> Clients:
        """Return the clients of a cloud, so that what is called comes by here."""
        names = ("dynamodb", "events", "logs", "s3", "sqs")
        return clients_of(cloud, **{name: Client(getattr(cloud.clients, name), self) for name in names})


class Client:
    """A boto3 client whose calls come by `Calls`."""

    def __init__(self, real: Any, calls: Calls) -> None:
        self._real, self._calls = real, calls
        self.exceptions = real.exceptions

    def __getattr__(self, method: str) -> Callable[..., Any]:
        operation = self._real.meta.method_to_api_mapping[method]

        def call(**arguments: Any) -> Any:
            self._calls.names.append(operation)
            self._calls.arguments.append(arguments)
            if not self._calls.answers.get(operation):
                return getattr(self._real, method)(**arguments)
            answer = self._calls.answers[operation].pop(0)
            if isinstance(answer, ClientError):
                raise answer
            return answer

        return call
