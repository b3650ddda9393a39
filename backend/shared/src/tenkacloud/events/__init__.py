"""The events between the planes (`docs/events.md`): one file each, JSON Schemas in `schemas/`.

Producers write exactly the schema's fields. Consumers ignore fields that they don't know, so that a plane may
add some. Optional additions to the design's fields: `provisioningAttempt`, and in the result `tier` and
`slug`, all echoed back so that a result can be told that answers another request; `correlationId`, carried
through all three functions; `failureReason`.
"""
