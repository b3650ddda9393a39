"""Tenant lifecycle: what the control plane and the application plane agree on.

One concept per module; the pure ones import no boto3, no environment and no clock:

- `fields`: rules of a tenant's fields (id, slug, name, tier).
- `lifecycle`: the state machine of `provisioningStatus`.
- `records`: the tenant record, its key layout, and every change made to it.
- `events`: the two events between the planes.
- `names`: names, prefixes and policies of tenant resources.

The effects, each behind a named function or a small class:

- `store`: conditional writes of tenant records.
- `publisher`: EventBridge, in batches, with per-entry failures.
- `dead_letters`: input that no retry can mend.
- `runtime`: settings, AWS clients with timeouts, time.

Exceptions are in `errors`.
"""

__version__ = "0.2.0"
