"""What a request says. Pure.

Bounds are ours unless a source is named.
"""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeGuard

from tenkacloud.errors import InvalidFieldError
from tenkacloud.tenants.validation import parse_name, parse_object, parse_text, truncated_repr

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
_DIGITS_MAX: Final = 1000
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
        InvalidFieldError: it does not match `PROBLEM_ID_PATTERN`.
    """
    text = _path_parameter(event, "problemId")
    if not re.fullmatch(PROBLEM_ID_PATTERN, text):
        raise InvalidFieldError(
            "problemId",
            f"{truncated_repr(text)} is not a valid problem id: 1 to 64 letters, digits, '-' or '_', "
            "starting with a letter or digit",
        )
    return text


def parse_file_name(event: Mapping[str, object]) -> str:
    """Return the file of the path, maybe with folders.

    Raises:
        InvalidFieldError: it does not match `FILE_NAME_PATTERN`, or is too long.
    """
    text = _path_parameter(event, "name")
    if len(text) > FILE_NAME_MAX or not re.fullmatch(FILE_NAME_PATTERN, text):
        raise InvalidFieldError(
            "name",
            f"{truncated_repr(text)} is not a valid file name: at most {FILE_NAME_MAX} letters, digits, '.', "
            "'-', '_' and inner '/'; no part of it starts with '.' or '-'",
        )
    return text


def parse_page(event: Mapping[str, object], pattern: str) -> Page:
    """Return the part of a list that the query string names: `limit`, and `after` a name of `pattern`.

    Raises:
        InvalidFieldError: `limit` is not a number from 1 to `PAGE_MAX`, or `after` is not such a name.
    """
    query = event.get("queryStringParameters")
    given = query if isinstance(query, Mapping) else {}
    limit, after = given.get("limit", str(PAGE_MAX)), given.get("after")
    if not _matches("[0-9]{1,3}", limit) or not 1 <= int(limit) <= PAGE_MAX:
        raise InvalidFieldError("limit", f"{truncated_repr(limit)} is not a number from 1 to {PAGE_MAX}")
    if after is not None and not (_matches(pattern, after) and len(after) <= FILE_NAME_MAX):
        raise InvalidFieldError("after", f"{truncated_repr(after)} is not a valid name of this list")
    return Page(int(limit), after)


def parse_problem(event: Mapping[str, object]) -> ProblemText:
    """Return the problem of the body, a JSON object with `title` and maybe `statement`.

    Raises:
        InvalidFieldError: the body is not such an object, strict JSON or UTF-8.
    """
    body = parse_object("body", _json(_body(event)))
    statement = body.get("statement", "")
    if not isinstance(statement, str) or len(statement) > STATEMENT_MAX:
        raise InvalidFieldError("statement", f"must be a string of at most {STATEMENT_MAX} characters")
    if not _is_unicode(statement):
        raise InvalidFieldError("statement", "holds half of a surrogate pair")
    return ProblemText(title=parse_name("title", body.get("title")), statement=statement)


def parse_file(event: Mapping[str, object]) -> FileBody:
    """Return the file of the body.

    Raises:
        InvalidFieldError: it is larger than `FILE_MAX`, or its Content-Type is none.
    """
    content = _body(event)
    if len(content) > FILE_MAX:
        raise InvalidFieldError("body", f"has {len(content)} bytes; at most {FILE_MAX} are allowed")
    headers = event.get("headers")
    content_type = headers.get("content-type", _UNKNOWN_TYPE) if isinstance(headers, Mapping) else ""
    if not _matches(_CONTENT_TYPE, content_type) or len(content_type) > _CONTENT_TYPE_MAX:
        raise InvalidFieldError("Content-Type", f"{truncated_repr(content_type)} is not a valid media type")
    return FileBody(content, content_type)


def _path_parameter(event: Mapping[str, object], name: str) -> str:
    return parse_text(name, parse_object("path", event.get("pathParameters")).get(name))


def _body(event: Mapping[str, object]) -> bytes:
    body, encoded = event.get("body", ""), event.get("isBase64Encoded", False)
    text = "" if body is None else body
    if not isinstance(text, str):
        raise InvalidFieldError("body", f"must be a string, not {type(text).__name__}")
    if encoded is not None and not isinstance(encoded, bool):
        raise InvalidFieldError("body", f"comes with isBase64Encoded {truncated_repr(encoded)}")
    if encoded:
        try:
            return base64.b64decode(text, validate=True)
        except ValueError:  # binascii.Error is one; another, if it is no ASCII
            raise InvalidFieldError("body", "is not valid base64") from None
    if not _is_unicode(text):
        raise InvalidFieldError("body", "is not valid UTF-8")
    return text.encode()


def _json(content: bytes) -> object:
    """Return what a JSON text in UTF-8 says (RFC 8259), stricter than `json.loads`.

    That takes UTF-16, and NaN; of two members of one name it keeps the last, so that whoever has looked
    at the first has looked at something else.

    Raises:
        InvalidFieldError: it is none.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise InvalidFieldError("body", "is not valid UTF-8") from None
    try:
        return json.loads(text, object_pairs_hook=_members, parse_int=_integer, parse_constant=_no_number)
    except RecursionError:
        raise InvalidFieldError("body", "is nested too deeply") from None
    except json.JSONDecodeError:
        raise InvalidFieldError("body", "is not valid JSON") from None


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members: dict[str, object] = {}
    for name, value in pairs:
        if name in members:
            raise InvalidFieldError("body", f"names {truncated_repr(name)} twice")
        members[name] = value
    return members


def _integer(digits: str) -> int:
    # Python refuses 4,300 digits and more, since they take long.
    if len(digits) > _DIGITS_MAX:
        raise InvalidFieldError("body", f"holds a number of more than {_DIGITS_MAX} digits")
    return int(digits)


def _no_number(name: str) -> object:
    raise InvalidFieldError("body", f"is not valid JSON: {name} is not a number")


def _is_unicode(text: str) -> bool:
    """Return whether UTF-8 can encode a string: half of a surrogate pair, which JSON can hold, it can't."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _matches(pattern: str | re.Pattern[str], value: object) -> TypeGuard[str]:
    return isinstance(value, str) and re.fullmatch(pattern, value) is not None
