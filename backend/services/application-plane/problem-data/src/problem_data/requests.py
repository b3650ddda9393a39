"""What a request asks for. Pure.

Bounds are ours unless a source is named.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tenkacloud.errors import InvalidField
from tenkacloud.fields import parse_name, parse_object, parse_text, shown

PROBLEM_ID_PATTERN: Final = "[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
#: Segments that begin with a letter, digit or `_`: no `..`, no empty one.
FILE_NAME_PATTERN: Final = "[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*"
FILE_NAME_MAX: Final = 512
STATEMENT_MAX: Final = 100_000  # characters; an item of DynamoDB holds 400 kB
#: Lambda takes and returns 6 MB, and a binary body travels as base64.
FILE_MAX: Final = 4 * 1024 * 1024
PAGE_MAX: Final = 100
_CONTENT_TYPE: Final = re.compile(r"[\w.+-]+/[\w.+-]+(?:; ?[\w.+-]+=[\w.+-]+)*", re.ASCII)
_CONTENT_TYPE_MAX: Final = 128
_UNKNOWN_TYPE: Final = "application/octet-stream"


@dataclass(frozen=True)
class Page:
    """A part of a list: at most `limit` entries, those after the entry named `after`."""

    limit: int
    after: str | None


@dataclass(frozen=True)
class ProblemText:
    """What a tenant writes of a problem."""

    title: str
    statement: str


@dataclass(frozen=True)
class FileBody:
    """What a tenant uploads. Raw bytes and their media type."""

    content: bytes
    content_type: str


def parse_problem_id(event: Mapping[str, object]) -> str:
    """Return the problem of the path.

    Raises:
        InvalidField: it does not match `PROBLEM_ID_PATTERN`.
    """
    text = _path_parameter(event, "problemId")
    if not re.fullmatch(PROBLEM_ID_PATTERN, text):
        raise InvalidField(
            "problemId",
            f"{shown(text)} is no problem id: 1 to 64 letters, digits, '-' or '_', "
            "starting with a letter or digit",
        )
    return text


def parse_file_name(event: Mapping[str, object]) -> str:
    """Return the file of the path, maybe with folders.

    Raises:
        InvalidField: it does not match `FILE_NAME_PATTERN`, or is too long.
    """
    text = _path_parameter(event, "name")
    if len(text) > FILE_NAME_MAX or not re.fullmatch(FILE_NAME_PATTERN, text):
        raise InvalidField(
            "name",
            f"{shown(text)} is no file name: at most {FILE_NAME_MAX} letters, digits, '.', '-', '_' and "
            "inner '/'; no part of it starts with '.' or '-'",
        )
    return text


def parse_page(event: Mapping[str, object], pattern: str) -> Page:
    """Return the part of a list that the query string asks for: `limit`, and `after` a name of `pattern`.

    Raises:
        InvalidField: `limit` is no number from 1 to `PAGE_MAX`, or `after` is no such name.
    """
    query = event.get("queryStringParameters")
    given = query if isinstance(query, Mapping) else {}
    limit = str(given.get("limit", PAGE_MAX))
    if not re.fullmatch("[0-9]{1,3}", limit) or not 1 <= int(limit) <= PAGE_MAX:
        raise InvalidField("limit", f"{shown(limit)} is no number from 1 to {PAGE_MAX}")
    after = given.get("after")
    if after is not None and not re.fullmatch(pattern, str(after)):
        raise InvalidField("after", f"{shown(after)} is no name of this list")
    return Page(int(limit), None if after is None else str(after))


def parse_problem(event: Mapping[str, object]) -> ProblemText:
    """Return the problem of the body, a JSON object with `title` and maybe `statement`.

    Raises:
        InvalidField: the body is no such object.
    """
    try:
        body = parse_object("body", json.loads(_body(event)))
    except ValueError:  # of json, and of UTF-8
        raise InvalidField("body", "is no JSON") from None
    statement = body.get("statement", "")
    if not isinstance(statement, str) or len(statement) > STATEMENT_MAX:
        raise InvalidField("statement", f"must be a string of at most {STATEMENT_MAX} characters")
    return ProblemText(title=parse_name("title", body.get("title")), statement=statement)


def parse_file(event: Mapping[str, object]) -> FileBody:
    """Return the file of the body.

    Raises:
        InvalidField: it is larger than `FILE_MAX`, or its Content-Type is none.
    """
    content = _body(event)
    if len(content) > FILE_MAX:
        raise InvalidField("body", f"has {len(content)} bytes; at most {FILE_MAX} are allowed")
    headers = event.get("headers")
    content_type = headers.get("content-type", _UNKNOWN_TYPE) if isinstance(headers, Mapping) else ""
    if len(str(content_type)) > _CONTENT_TYPE_MAX or not _CONTENT_TYPE.fullmatch(str(content_type)):
        raise InvalidField("Content-Type", f"{shown(content_type)} is no media type")
    return FileBody(content, str(content_type))


def _path_parameter(event: Mapping[str, object], name: str) -> str:
    return parse_text(name, parse_object("path", event.get("pathParameters")).get(name))


def _body(event: Mapping[str, object]) -> bytes:
    body = event.get("body")
    text = body if isinstance(body, str) else ""
    if not event.get("isBase64Encoded"):
        return text.encode()
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise InvalidField("body", "is no base64") from None
