"""An application whose answers are made in all the ways that ASGI allows, on the engine's HTTP server.

Run by the engine's own Python, as a file, with a port and `patched` or `plain`.
"""

import asyncio
import importlib
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from scripts.local_aws.engine import responses
from scripts.local_aws.engine.extension import replace

LARGE = bytes(range(256)) * 4096


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await echo(receive, send)
    elif scope["type"] == "http":
        await answer(scope["path"], receive, send)


async def echo(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


async def answer(path: str, receive: Any, send: Any) -> None:
    async def start(*headers: tuple[bytes, bytes], status: int = 200) -> None:
        await send({"type": "http.response.start", "status": status, "headers": list(headers)})

    async def body(data: bytes, *, more: bool = False) -> None:
        await send({"type": "http.response.body", "body": data, "more_body": more})

    match path:
        case "/stream":  # the head first, and the body when the client has sent all of its own
            await start()
            await read(receive)
            await body(b"late", more=True)
            await body(b"r")
        case "/dies":
            await start((b"content-length", b"5"))
        case "/echo":
            data = await read(receive)
            await start((b"content-length", str(len(data)).encode()))
            await body(data)
        case "/large":
            await start((b"content-length", str(len(LARGE)).encode()))
            await body(LARGE[:1000], more=True)
            await body(LARGE[1000:])
        case "/empty":
            await start((b"content-length", b"0"), status=404)
            await body(b"")
        case _:
            await start((b"content-length", b"5"))
            await body(b"hello")


async def read(receive: Any) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


if __name__ == "__main__":
    if sys.argv[2] == "patched":
        responses.install(replace)
    config: Any = importlib.import_module("hypercorn.config").Config()
    config.bind = [f"127.0.0.1:{sys.argv[1]}"]
    asyncio.run(importlib.import_module("hypercorn.asyncio").serve(app, config))
