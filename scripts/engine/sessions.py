"""AssumeRole: transitive tags, source identity, and role chaining, which the engine's STS leaves out.

AWS: IAM User Guide, "Pass session tags in AWS STS" (id_session-tags), "Monitor and control actions taken with
assumed roles" (id_credentials_temp_control-access_monitor); STS API Reference, "AssumeRole"
(API_AssumeRole); Service Authorization Reference of STS.
"""

import contextvars
import dataclasses
import importlib
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs

Function = Callable[..., Any]
Replace = Callable[[str, str, str, Callable[[Function], Function]], None]

ASSUME: Final = "sts:AssumeRole"
TAG: Final = "sts:TagSession"
SET_SOURCE_IDENTITY: Final = "sts:SetSourceIdentity"

_NAME: Final = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_TAG_SYMBOLS: Final = frozenset("_.:/=+-@")
_TAG_CATEGORIES: Final = ("L", "Z", "N")
_TAG_VALUE_MAX: Final = 256
_CHAINED_SECONDS: Final = 3600


class Refused(Exception):
    """STS answers with an error. Arguments: HTTP status, code, message."""


@dataclass(frozen=True)
class Caller:
    """What of the caller's session goes on into the sessions that it starts. Tags by key."""

    is_role: bool = False
    source_identity: str | None = None
    transitive_tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Assumption:
    """A request to assume a role, with what it inherits from the caller's session. Tags by key."""

    source_identity: str | None
    tags: Mapping[str, str]
    transitive: tuple[str, ...]

    def actions(self) -> Iterator[str]:
        """Yield what has to be allowed beside AssumeRole, by the caller's policies and by the trust.

        Also where tags and source identity are inherited.
        """
        if self.tags:
            yield TAG
        if self.source_identity is not None:
            yield SET_SOURCE_IDENTITY

    def context(self, action: str) -> dict[str, Any]:
        """Return the condition keys of an action, by lower-case name. Each action has its own.

        Inherited tags count as the request's.
        """
        tags: dict[str, Any] = {f"aws:requesttag/{key.lower()}": value for key, value in self.tags.items()}
        if self.tags:
            tags["aws:tagkeys"] = list(self.tags)
        if self.transitive:
            tags["sts:transitivetagkeys"] = list(self.transitive)
        identity = {} if self.source_identity is None else {"sts:sourceidentity": self.source_identity}
        return {ASSUME: {**tags, **identity}, TAG: tags, SET_SOURCE_IDENTITY: identity}[action]


_current: Final[contextvars.ContextVar[Assumption | None]] = contextvars.ContextVar(
    "assumption", default=None
)


def install(replace: Replace) -> None:  # noqa: C901 - one small function for each that is patched
    """Patch the engine's STS, and what it knows of a session."""
    evaluator = importlib.import_module("ministack.core.iam_evaluator")
    responses = importlib.import_module("ministack.core.responses")
    router = importlib.import_module("ministack.core.router")
    sts = importlib.import_module("ministack.services.sts")

    def ask_caller(access_key: str, role_arn: str, assumption: Assumption) -> None:
        """Ask the caller's own policies; the engine asks them about AssumeRole itself."""
        region = responses.get_region()
        for action in assumption.actions():
            context = assumption.context(action)
            if evaluator.enforce(access_key, action, "sts", region, role_arn, context) is not None:
                raise Refused(403, "AccessDenied", f"User is not authorized to perform: {action}")

    def handle_request(original: Function) -> Function:
        async def handle(method: str, path: str, headers: Any, body: bytes, query_params: Any) -> Any:
            request = parameters(body, query_params)
            if request.get("Action") != "AssumeRole":
                return await original(method, path, headers, body, query_params)
            access_key = router.extract_access_key_id(headers, query_params)
            try:
                assumption = assume(request, caller_of(sts._sessions.get(access_key)))
                ask_caller(access_key, request.get("RoleArn", ""), assumption)
            except Refused as refused:
                return sts._error(*refused.args, ns="sts")
            token = _current.set(assumption)
            try:
                status, answer_headers, answer = await original(method, path, headers, body, query_params)
            finally:
                _current.reset(token)
            return status, answer_headers, with_source_identity(answer, assumption.source_identity)

        return handle

    def evaluate_trust_policy(original: Function) -> Function:
        def evaluate(trust_doc: Any, caller_arn: str, ctx: Any = None) -> bool:
            assumption = _current.get()
            if assumption is None or ctx is None or ctx.action not in (ASSUME, TAG):
                return bool(original(trust_doc, caller_arn, ctx))
            if ctx.action == TAG:
                return True  # asked below, with the first question
            return all(
                original(
                    trust_doc,
                    caller_arn,
                    dataclasses.replace(
                        ctx,
                        action=action,
                        request_tags={},
                        tag_keys=[],
                        service_context={
                            **(ctx.service_context if action == ASSUME else {}),
                            "aws:tagkeys": None,
                            **assumption.context(action),
                        },
                    ),
                )
                for action in (ASSUME, *assumption.actions())
            )

        return evaluate

    def register_session(original: Function) -> Function:
        def register(access_key: str, session: dict[str, Any]) -> Any:
            assumption = _current.get()
            kept = {} if assumption is None else kept_of(assumption)
            return original(access_key, {**session, **kept})

        return register

    def principal_keys(original: Function) -> Function:
        def keys(credential: Any) -> dict[str, Any]:
            session = sts._sessions.get(credential.access_key_id) or {}
            identity = session.get("SourceIdentity")
            return {**original(credential), **({"aws:sourceidentity": identity} if identity else {})}

        return keys

    replace(
        "ministack.services.sts", "handle_request", "method path headers body query_params", handle_request
    )
    replace("ministack.services.sts", "register_session", "access_key session", register_session)
    where = "ministack.core.iam_evaluator"
    replace(where, "evaluate_trust_policy", "trust_doc caller_arn ctx", evaluate_trust_policy)
    replace(where, "_principal_keys", "credential", principal_keys)


def parameters(body: bytes, query_params: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters of a request of the Query protocol, each with its first value."""
    given: dict[str, Any] = dict(query_params)
    given |= parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
    return {
        name: str(value[0] if isinstance(value, list) else value) for name, value in given.items() if value
    }


def caller_of(session: Mapping[str, Any] | None) -> Caller:
    """Return what a session hands on; a caller without a session hands nothing on."""
    if session is None:
        return Caller()
    transitive = {key.lower() for key in session.get("TransitiveTagKeys") or []}
    return Caller(
        is_role=session.get("PrincipalType") == "AssumedRole",
        source_identity=session.get("SourceIdentity"),
        transitive_tags={
            tag["Key"]: tag["Value"]
            for tag in session.get("SessionTags") or []
            if tag["Key"].lower() in transitive
        },
    )


def assume(request: Mapping[str, str], caller: Caller) -> Assumption:
    """Return what a request to assume a role asks for, after STS's own checks.

    Raises:
        Refused: a tag, the source identity or the duration is not allowed.
    """
    tags = dict(_members(request))
    for key, value in tags.items():
        if len(value) > _TAG_VALUE_MAX or not all(map(_is_tag_character, f"{key}{value}")):
            raise Refused(400, "ValidationError", f"the value of the tag {key!a} is not allowed")
    transitive = [value for name, value in request.items() if name.startswith("TransitiveTagKeys.member.")]
    if missing := [key for key in transitive if key.lower() not in {tag.lower() for tag in tags}]:
        raise Refused(400, "InvalidParameterValue", f"the transitive tag keys {missing} are no tags")
    inherited = {key.lower() for key in caller.transitive_tags}
    if overridden := [key for key in tags if key.lower() in inherited]:
        raise Refused(
            400,
            "InvalidParameterValue",
            f"One of the specified transitive tag keys can't be set because it conflicts with a transitive "
            f"tag key from the calling session: {overridden[0]}",
        )
    identity = request.get("SourceIdentity")
    if identity is not None and not _NAME.fullmatch(identity):
        raise Refused(400, "ValidationError", "sourceIdentity must be 2 to 64 of the characters [\\w+=,.@-]")
    if caller.source_identity is not None:
        if identity not in (None, caller.source_identity):
            raise Refused(403, "AccessDenied", "The source identity of the calling session can't be changed")
        identity = caller.source_identity
    if caller.is_role and int(request.get("DurationSeconds") or 0) > _CHAINED_SECONDS:
        raise Refused(
            400,
            "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit of role chaining",
        )
    return Assumption(
        source_identity=identity,
        tags={**tags, **caller.transitive_tags},
        transitive=(*transitive, *caller.transitive_tags),
    )


def kept_of(assumption: Assumption) -> dict[str, Any]:
    """Return what the engine is to keep of a session."""
    return {
        "SessionTags": [{"Key": key, "Value": value} for key, value in assumption.tags.items()],
        "TransitiveTagKeys": list(assumption.transitive),
        "SourceIdentity": assumption.source_identity,
    }


def with_source_identity(answer: bytes, identity: str | None) -> bytes:
    """Return AssumeRole's answer, in XML, with the source identity; an error as it is."""
    end = b"</AssumeRoleResult>"
    if identity is None:
        return answer
    # Of the characters that an identity may have, none means anything in XML.
    return answer.replace(end, f"<SourceIdentity>{identity}</SourceIdentity>".encode() + end)


def _members(request: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, key in request.items():
        if found := re.fullmatch(r"Tags\.member\.(\d+)\.Key", name):
            yield key, request.get(f"Tags.member.{found[1]}.Value", "")


def _is_tag_character(character: str) -> bool:
    # [\p{L}\p{Z}\p{N}_.:/=+\-@]
    return character in _TAG_SYMBOLS or unicodedata.category(character)[0] in _TAG_CATEGORIES
