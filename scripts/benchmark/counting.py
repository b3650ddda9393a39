"""Counting what a tenant costs: AWS calls, bytes and Lambda milliseconds.

The functions get, for a while, a proxy for an endpoint, which counts and hands on. Signatures hold, since it
changes nothing.
"""

import http.client
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from scripts.tooling.aws import Clients, Endpoint
from scripts.tooling.deployment import COMPLETION, PROVISIONER, PROVISIONING, Deployment

FLOW: Final = (PROVISIONING, PROVISIONER, COMPLETION)
#: Services by what their protocol calls them in the header X-Amz-Target.
_TARGETS: Final = {"AWSEvents": "events", "DynamoDB_20120810": "dynamodb", "AmazonSQS": "sqs"}
_STS: Final = re.compile(rb"(?:^|&)Action=(\w+)")


@dataclass
class Counts:
    """Calls by `service:operation`, and bytes of the requests' bodies."""

    calls: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, method: str, path: str, headers: Any, body: bytes) -> None:
        """Take note of a request."""
        target = headers.get("X-Amz-Target")
        if target:
            service, operation = target.rsplit(".", 1)
            call = f"{_TARGETS.get(service, service)}:{operation}"
        elif method == "POST" and path == "/" and (found := _STS.search(body)):
            call = f"sts:{found.group(1).decode()}"
        else:
            query = path.partition("?")[2].split("=")[0].split("&")[0]
            what = "COPY" if method == "PUT" and headers.get("x-amz-copy-source") else method
            call = f"s3:{what}{f' ?{query}' if query else ''}"
        with self.lock:
            self.calls[call] += 1
            self.sent[call] += len(body)


@contextmanager
def counted(
    deployment: Deployment, clients: Clients, endpoint: Endpoint, services: Sequence[str] = FLOW
) -> Iterator[Counts]:
    """Yield counts of what functions ask of AWS."""
    counts = Counts()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(endpoint, counts))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    before = {service: _environment(deployment, clients, service) for service in services}
    try:
        for service, variables in before.items():
            _set(deployment, clients, service, {**variables, "AWS_ENDPOINT_URL": url})
        yield counts
    finally:
        for service, variables in before.items():
            _set(deployment, clients, service, variables)
        server.shutdown()
        server.server_close()


def _environment(deployment: Deployment, clients: Clients, service: str) -> dict[str, str]:
    found = clients.lambda_.get_function_configuration(FunctionName=deployment.lambda_function_names[service])
    return dict(found["Environment"]["Variables"])


def _set(deployment: Deployment, clients: Clients, service: str, variables: dict[str, str]) -> None:
    name = deployment.lambda_function_names[service]
    clients.lambda_.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
    clients.lambda_.get_waiter("function_updated_v2").wait(FunctionName=name)


def _handler(endpoint: Endpoint, counts: Counts) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _hand_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            counts.count(self.command, self.path, self.headers, body)
            connection = http.client.HTTPConnection(endpoint.host, endpoint.port, timeout=60)
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            content = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            connection.close()

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _hand_on  # noqa: N815 - the library's names

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            """Say nothing."""

    return Handler


def lambda_milliseconds(
    deployment: Deployment, clients: Clients, since: float, services: Sequence[str] = FLOW
) -> float:
    """Return what functions took in all, by Lambda's REPORT lines. `since`: epoch seconds."""
    total = 0.0
    for service in services:
        pages = clients.logs.get_paginator("filter_log_events").paginate(
            logGroupName=deployment.log_group_names[service], startTime=int(since * 1000)
        )
        for page in pages:
            for event in page["events"]:
                if "REPORT RequestId" in event["message"]:
                    found = re.search(r"Duration: ([\d.]+) ms", event["message"])
                    total += float(found.group(1)) if found else 0.0
    return total


def write_units(items: list[dict[str, Any]], index_writes: int) -> int:
    """Return DynamoDB's write units of a tenant's transactions: two for each kilobyte begun of an item.

    `items`: each item as often as a transaction wrote it. An index write takes one unit more. Source: Amazon
    DynamoDB Developer Guide, "DynamoDB on-demand and provisioned capacity".
    """
    return sum(2 * -(-_size(item) // 1024) for item in items) + index_writes


def _size(item: dict[str, Any]) -> int:
    return sum(len(name) + len(json.dumps(value)) - 8 for name, value in item.items())
