"""The functions' clients: each call goes through the simulator, with whatever goes wrong."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tenkacloud.platform.clients import Call, Clients, SessionCredentials, one_by_one
from tests.settings import REGION
from tests.simulation.aws.errors import EXCEPTIONS

if TYPE_CHECKING:
    from tests.simulation.simulator import Simulator

#: By operation: what its next page is requested with, by what of the answer.
_CURSORS: Final = {
    "list_objects_v2": {"ContinuationToken": "NextContinuationToken"},
    "list_object_versions": {"KeyMarker": "NextKeyMarker", "VersionIdMarker": "NextVersionIdMarker"},
    "list_multipart_uploads": {"KeyMarker": "NextKeyMarker", "UploadIdMarker": "NextUploadIdMarker"},
    "query": {"ExclusiveStartKey": "LastEvaluatedKey"},
}


@dataclass(frozen=True)
class _Paginator:
    """What `get_paginator` returns."""

    call: Callable[..., Any]
    cursors: dict[str, str]

    def paginate(self, **arguments: Any) -> Iterator[Any]:
        """Yield the pages."""
        configured = arguments.pop("PaginationConfig", {})
        if size := configured.get("PageSize"):
            arguments["MaxKeys"] = size
        while True:
            page = self.call(**arguments)
            yield page
            following = {name: page[of] for name, of in self.cursors.items() if page.get(of)}
            if not following:
                return
            arguments |= following


class Client:
    """A boto3 client whose calls go through a simulator. `session`: the token of a vended session."""

    def __init__(self, service: str, simulator: "Simulator", session: str | None = None) -> None:
        self._service, self._simulator, self._session = service, simulator, session
        self.exceptions = EXCEPTIONS

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        return lambda **arguments: self._simulator.call(self._service, operation, arguments, self._session)

    def get_paginator(self, operation: str) -> _Paginator:
        """Return what pages through an operation."""
        return _Paginator(getattr(self, operation), _CURSORS[operation])


@dataclass(frozen=True)
class _Session:
    """A boto3 session of vended credentials."""

    simulator: "Simulator"
    token: str
    region_name: str = REGION

    def client(self, service: Any, **_: Any) -> Any:
        """Return a client of it."""
        return Client(service, self.simulator, self.token)


class SimulatedClients(Clients):
    """The clients of the functions of one simulator. Calls that go together go one after another."""

    def __init__(self, simulator: "Simulator") -> None:
        self._simulator = simulator

    def together(self, calls: Sequence[Call], threads: int = 1) -> list[BaseException | None]:
        """Make the calls in their order: threads would take their turns by chance."""
        return one_by_one(calls)

    def session(self, credentials: SessionCredentials, region: str) -> Any:
        """Return a session of vended credentials."""
        return _Session(self._simulator, credentials.session_token, region)

    def _make(self, service: Any, **_: Any) -> Any:
        return Client(service, self._simulator)
