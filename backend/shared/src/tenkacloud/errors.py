"""Exceptions.

TenkaCloudError
├── InvalidField       a field of a record or an event breaks its rule; no retry can mend it
├── PermanentFailure   AWS said no, and would say it again; becomes FAILED with a reason
├── PublishFailed      EventBridge did not take an event; AWS retries
├── NotYet             the record is not in the state that this message needs; AWS retries
├── NotVerified        a request names no tenant that somebody has vouched for
└── TenantRefused      the tenant may not be acted for: unknown, not ACTIVE, or without resources
"""


class TenkaCloudError(Exception):
    """Base of all exceptions raised by this project."""


class InvalidField(TenkaCloudError):
    """A field breaks its rule.

    `str(error)` is written for operators: it names the field, the rule, and the start of the value.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field = field


class PermanentFailure(TenkaCloudError):
    """An effect can't succeed however often it is tried. `str(error)` is the `failureReason`."""


class PublishFailed(TenkaCloudError):
    """EventBridge did not accept an event: the call failed, or its entry did (`FailedEntryCount`)."""


class NotYet(TenkaCloudError):
    """A message came before the record was ready for it. Raised, so that AWS delivers it again."""


class NotVerified(TenkaCloudError):
    """A request carries no tenant id from a verified source. Nothing else it says counts."""


class TenantRefused(TenkaCloudError):
    """Nobody acts for this tenant now. `str(error)` says which tenant, and why."""
