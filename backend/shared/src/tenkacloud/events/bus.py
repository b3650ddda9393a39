"""Publishing to the tenant event bus, ten events a call."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from tenkacloud.errors import PublishError
from tenkacloud.events.contract import Event

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

ENTRIES_MAX: Final = 10  # per PutEvents call; EventBridge's limit


@dataclass(frozen=True)
class EventBus:
    """The bus. `publish` sends one event, `put` up to ten in one call."""

    client: "EventBridgeClient"
    name: str

    def publish(self, event: Event) -> None:
        """Send one event.

        Raises:
            PublishError: EventBridge did not take it.
        """
        (error,) = self.put([event])
        if error:
            raise PublishError(f"bus {self.name}: {error}")

    def put(self, events: Sequence[Event]) -> list[str | None]:
        """Send up to ten events; return for each its error code, None where it was taken.

        Raises:
            PublishError: the call failed as a whole.
        """
        try:
            response = self.client.put_events(Entries=[self._entry(event) for event in events])
        except ClientError as error:
            raise PublishError(f"bus {self.name}: {error.response['Error']['Code']}") from error
        except BotoCoreError as error:
            raise PublishError(f"bus {self.name}: {type(error).__name__}") from error
        # The call succeeds even where entries fail: each says so itself.
        return [entry.get("ErrorCode") for entry in response["Entries"]]

    def _entry(self, event: Event) -> "PutEventsRequestEntryTypeDef":
        return {
            "EventBusName": self.name,
            "Source": event.SOURCE,
            "DetailType": event.DETAIL_TYPE,
            "Detail": json.dumps(event.detail(), ensure_ascii=False, separators=(",", ":")),
        }
