"""The routes: what each does with a tenant's session, and what it answers."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

from problem_data import files, problems
from problem_data.requests import (
    FILE_NAME_PATTERN,
    PROBLEM_ID_PATTERN,
    parse_file,
    parse_file_name,
    parse_page,
    parse_problem,
    parse_problem_id,
)
from tenkacloud.isolation.sessions import TenantSession

Event = Mapping[str, object]


@dataclass(frozen=True)
class Answer:
    """An HTTP answer: JSON of `content`, or `body` as it is, or nothing."""

    status: HTTPStatus
    content: object = None
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def proxy(self) -> dict[str, Any]:
        """Return it as a Lambda proxy response, payload format 2.0."""
        answer: dict[str, Any] = {"statusCode": int(self.status), "headers": dict(self.headers)}
        if self.body is not None:
            return {**answer, "body": base64.b64encode(self.body).decode(), "isBase64Encoded": True}
        if self.content is not None:
            answer["headers"]["Content-Type"] = "application/json"
            answer["body"] = json.dumps(self.content, ensure_ascii=False)
        return answer


def failure(status: HTTPStatus, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Return an answer that says what is wrong, in API Gateway's own shape."""
    return Answer(status, {"message": message}, headers=headers or {})


def list_problems(session: TenantSession, event: Event, _now: datetime) -> Answer:
    """Answer `GET /problems`."""
    found, after = problems.page(session, parse_page(event, PROBLEM_ID_PATTERN))
    return Answer(HTTPStatus.OK, _listed("problems", found, after))


def put_problem(session: TenantSession, event: Event, now: datetime) -> Answer:
    """Answer `PUT /problems/{problemId}`."""
    return Answer(HTTPStatus.OK, problems.write(session, parse_problem_id(event), parse_problem(event), now))


def get_problem(session: TenantSession, event: Event, _now: datetime) -> Answer:
    """Answer `GET /problems/{problemId}`."""
    problem = problems.read(session, parse_problem_id(event))
    return Answer(HTTPStatus.OK, problem) if problem else _no_problem(event)


def delete_problem(session: TenantSession, event: Event, _now: datetime) -> Answer:
    """Answer `DELETE /problems/{problemId}`: the files first, so that none is left without its problem."""
    problem_id = parse_problem_id(event)
    files.delete_all(session, problem_id)
    problems.delete(session, problem_id)
    return Answer(HTTPStatus.NO_CONTENT)


def list_files(session: TenantSession, event: Event, _now: datetime) -> Answer:
    """Answer `GET /problems/{problemId}/files`."""
    found, after = files.page(session, parse_problem_id(event), parse_page(event, FILE_NAME_PATTERN))
    return Answer(HTTPStatus.OK, _listed("files", found, after))


def put_file(session: TenantSession, event: Event, _now: datetime) -> Answer:
    """Answer `PUT /problems/{problemId}/files/{name+}`."""
    problem_id, name, body = parse_problem_id(event), parse_file_name(event), parse_file(event)
    if problems.read(session, problem_id) is None:
        return _no_problem(event)
    files.write(session, problem_id, name, body)
    return Answer(HTTPStatus.OK, {"name": name, "size": len(body.content)})


def get_file(session: TenantSession, event: Event, _now: datetime) -> Answer:
    """Answer `GET /problems/{problemId}/files/{name+}` with the file's bytes."""
    name = parse_file_name(event)
    try:
        file = files.read(session, parse_problem_id(event), name)
    except files.TooLargeError as error:
        return failure(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(error))
    if file is None:
        return failure(HTTPStatus.NOT_FOUND, f"there is no file {name}")
    # As a download, whatever it is: a tenant's HTML must not run in the API's origin.
    headers = {
        "Content-Type": file.content_type,
        "Content-Disposition": "attachment",
        "X-Content-Type-Options": "nosniff",
    }
    return Answer(HTTPStatus.OK, body=file.content, headers=headers)


def delete_file(session: TenantSession, event: Event, _now: datetime) -> Answer:
    """Answer `DELETE /problems/{problemId}/files/{name+}`."""
    files.delete(session, parse_problem_id(event), parse_file_name(event))
    return Answer(HTTPStatus.NO_CONTENT)


Route = Callable[[TenantSession, Event, datetime], Answer]

#: By `routeKey`: API Gateway has done the routing (Terraform, module problem-data, lists the same).
ROUTES: Final[Mapping[str, Route]] = {
    "GET /problems": list_problems,
    "PUT /problems/{problemId}": put_problem,
    "GET /problems/{problemId}": get_problem,
    "DELETE /problems/{problemId}": delete_problem,
    "GET /problems/{problemId}/files": list_files,
    "PUT /problems/{problemId}/files/{name+}": put_file,
    "GET /problems/{problemId}/files/{name+}": get_file,
    "DELETE /problems/{problemId}/files/{name+}": delete_file,
}


def _listed(name: str, entries: list[Any], after: str | None) -> dict[str, Any]:
    """Return a list as clients see it: `after` is what to request next, and absent at the end."""
    return {name: entries, **({} if after is None else {"after": after})}


def _no_problem(event: Event) -> Answer:
    return failure(HTTPStatus.NOT_FOUND, f"there is no problem {parse_problem_id(event)}")
