"""Errors as boto3 raises them."""

from functools import cache
from typing import Any

from botocore.exceptions import ClientError


@cache
def error_class(code: str) -> type[ClientError]:
    """Return the class of an error code: `client.exceptions.<code>`."""
    return type(code, (ClientError,), {})


def error(code: str, operation: str, message: str = "", **response: Any) -> ClientError:
    """Return the error that a call answers with."""
    answer: Any = {"Error": {"Code": code, "Message": message}, **response}
    return error_class(code)(answer, operation)


class Exceptions:
    """`client.exceptions`: a class for each code that somebody asks for."""

    def __getattr__(self, code: str) -> type[ClientError]:
        return error_class(code)


EXCEPTIONS = Exceptions()
