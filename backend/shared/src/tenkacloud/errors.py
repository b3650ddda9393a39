"""Exceptions.

TenkaCloudError
├── InvalidFieldError          a field of a record or an event breaks its rule; no retry can mend it
│   ├── InvalidEventError      the same, of an event that can be answered (`events.contract`)
│   └── NotInStateError         the record is not in a state in which this may be done to the tenant
│       └── OperationInProgressError   something else is being done to it
├── PermanentError             AWS said no, and would say it again; becomes FAILED with a reason
├── NotEmptyError              a store of a tenant that goes was written to after its purge; purge it again
├── PublishError               EventBridge did not take an event; AWS retries
├── NotReadyError              the record is not in the state that this message needs; AWS retries
├── NotVerifiedError           a request names no tenant that somebody has vouched for
├── TenantDeniedError          the tenant may not be acted for: unknown, not ACTIVE, or without resources
└── TenantReadOnlyError        its objects can't be written now: they are being moved; worth a retry soon
"""


class TenkaCloudError(Exception):
    """Base of all exceptions raised by this project."""


class InvalidFieldError(TenkaCloudError):
    """A field breaks its rule.

    `str(error)` is written for operators: it names the field, the rule, and the start of the value.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field = field


class NotInStateError(InvalidFieldError):
    """A tenant is not in a state in which somebody's wish may be granted. `str(error)` says why."""


class OperationInProgressError(NotInStateError):
    """A tenant has an operation already, and it can have one at a time."""


class PermanentError(TenkaCloudError):
    """An effect can't succeed however often it is tried. `str(error)` is the `failureReason`."""


class NotEmptyError(TenkaCloudError):
    """A store can't be removed: something was put into it since it was purged. Worth another purge."""


class PublishError(TenkaCloudError):
    """EventBridge did not accept an event: the call failed, or its entry did (`FailedEntryCount`)."""


class NotReadyError(TenkaCloudError):
    """A message came before the record was ready for it. Raised, so that AWS delivers it again."""


class NotVerifiedError(TenkaCloudError):
    """A request carries no tenant id from a verified source. Nothing else it says counts."""


class TenantDeniedError(TenkaCloudError):
    """Nobody acts for this tenant now. `str(error)` says which tenant, and why."""


class TenantReadOnlyError(TenkaCloudError):
    """The tenant's objects can be read only, while a move of them ends. `str(error)` says which tenant."""
