"""A response's head and body in one write, where the engine's HTTP server makes two of them.

The AWS SDK for Go that Terraform's AWS provider 5.100.0 is built with can close its connection between the
two, take that for a network error, and send the call once more: what the first one created is then "already
there", or is there twice. A body that has come with its head leaves no room for that.
"""

import importlib
from collections.abc import Callable
from typing import Any, Final

Function = Callable[..., Any]
Replace = Callable[[str, str, str, Callable[[Function], Function]], None]

_HELD: Final = "_tenkacloud_held_head"


def install(replace: Replace) -> None:
    """Patch how the server writes HTTP/1.1."""
    h11: Any = importlib.import_module("h11")
    events: Any = importlib.import_module("hypercorn.events")

    def send_event(_: Function) -> Function:
        async def send(self: Any, event: Any) -> None:
            head = _take(self)
            try:
                data = self.connection.send(event)
            except h11.LocalProtocolError:
                if head:
                    await self.send(events.RawData(data=head))
                if self.connection.their_state != h11.ERROR:
                    raise
                return
            if isinstance(event, h11.Response) and _has_length(event):
                setattr(self, _HELD, data)
            else:
                await self.send(events.RawData(data=head + data))

        return send

    def recycle(original: Function) -> Function:
        async def end(self: Any) -> None:
            # Of an application that ended between head and body: what it did say goes out.
            if head := _take(self):
                await self.send(events.RawData(data=head))
            await original(self)

        return end

    replace("hypercorn.protocol.h11", "H11Protocol._send_h11_event", "self event", send_event)
    replace("hypercorn.protocol.h11", "H11Protocol._maybe_recycle", "self", recycle)


def _has_length(response: Any) -> bool:
    """Tell whether the body's length is known: it is there, then. A stream's head does not wait for it."""
    return any(name == b"content-length" for name, _ in response.headers)


def _take(protocol: Any) -> bytes:
    """Return the head that a connection holds back, and forget it; empty if there is none."""
    head: bytes = vars(protocol).pop(_HELD, b"")
    return head
