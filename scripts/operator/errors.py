"""What went wrong, in one line that ends with the next step."""

import sys
from typing import Any, Final

#: By AWS's error code: what a user does about it.
_NEXT: Final = {
    **dict.fromkeys(
        ("ExpiredToken", "ExpiredTokenException", "RequestExpired"),
        "the credentials have expired: sign in again",
    ),
    **dict.fromkeys(
        ("InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch"),
        "AWS does not know these credentials: look at AWS_PROFILE",
    ),
    **dict.fromkeys(
        ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation"),
        "these credentials may not do that: take another AWS_PROFILE, or ask whoever runs the account",
    ),
    **dict.fromkeys(
        ("ResourceNotFoundException", "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"),
        "it is not there: was the environment destroyed, or the local engine restarted? "
        "`make deploy-local`, or `make apply ENV=…`, brings it back",
    ),
    **dict.fromkeys(
        ("ThrottlingException", "Throttling", "ProvisionedThroughputExceededException"),
        "AWS throttles: try again in a minute, with a lower --rate",
    ),
}


def explained(error: Exception) -> str | None:
    """Return one line with the next step about an error of AWS; None for what is a mistake of ours."""
    botocore: Any = sys.modules.get("botocore.exceptions")  # whoever has not loaded it raises none of these
    if botocore is None or not isinstance(error, botocore.ClientError):
        return None
    response: Any = error
    found = response.response["Error"]
    code = found.get("Code", "")
    said = " ".join(str(found.get("Message") or code).split())
    if code not in _NEXT:
        return None
    return f"{code}: {said} ({_NEXT[code]})"
