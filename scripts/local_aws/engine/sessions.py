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
from xml.sax.saxutils import escape

Function = Callable[..., Any]
Replace = Callable[[str, str, str, Callable[[Function], Function]], None]

ASSUME: Final = "sts:AssumeRole"
TAG: Final = "sts:TagSession"
SET_SOURCE_IDENTITY: Final = "sts:SetSourceIdentity"

_NAME: Final = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_TAG_SYMBOLS: Final = frozenset("_.:/=+-@")
_TAG_CATEGORIES: Final = ("L", "Z", "N")
_NAME_RULE: Final = "2 to 64 of the characters [\\w+=,.@-]"
_TAG_KEY_MAX: Final = 128
_TAG_VALUE_MAX: Final = 256
_ROLE: Final = re.compile(r"arn:[^:]+:iam::(\d{12}):role/(?:.*/)?([^/]+)", re.DOTALL)
_CHAINED_SECONDS: Final = 3600


class DeniedError(Exception):
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
    name: str = ""
    external_id: str | None = None

    def actions(self) -> Iterator[str]:
        """Yield what has to be allowed, by the caller's policies and by the trust.

        Also where tags and source identity are inherited.
        """
        yield ASSUME
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
        role = {"sts:rolesessionname": self.name}
        if self.external_id is not None:
            role["sts:externalid"] = self.external_id
        return {ASSUME: {**tags, **identity, **role}, TAG: tags, SET_SOURCE_IDENTITY: identity}[action]


_current: Final[contextvars.ContextVar[Assumption | None]] = contextvars.ContextVar(
    "assumption", default=None
)


def install(replace: Replace) -> None:  # noqa: C901 - one small function for each that is patched
    """Patch the engine's STS, and what it knows of a session."""
    evaluator = importlib.import_module("ministack.core.iam_evaluator")
    iam = importlib.import_module("ministack.services.iam")
    responses = importlib.import_module("ministack.core.responses")
    router = importlib.import_module("ministack.core.router")
    sts: Any = importlib.import_module("ministack.services.sts")

    def trust_policy_for_arn(arn: str) -> tuple[Any, str] | None:
        return trust_policy(arn, lambda account, name: iam._roles.get_scoped(account, None, name))

    def ask_caller(access_key: str, role_arn: str, assumption: Assumption) -> None:
        """Ask the caller's own policies, of the parameters that the handler reads."""
        region = responses.get_region()
        for action in assumption.actions():
            context = assumption.context(action)
            denial = evaluator.enforce(access_key, action, "sts", region, role_arn, context)
            if denial is not None or trust_policy_for_arn(role_arn) is None:
                raise DeniedError(
                    403,
                    "AccessDenied",
                    f"User: {evaluator.caller_arn()} is not authorized to perform: {action} "
                    f"on resource: {escape(role_arn)}",
                )

    def handle_request(original: Function) -> Function:
        async def handle(method: str, path: str, headers: Any, body: bytes, query_params: Any) -> Any:
            request = parameters(body, query_params)
            if request.get("Action") != "AssumeRole":
                return await original(method, path, headers, body, query_params)
            access_key = router.extract_access_key_id(headers, query_params)
            try:
                assumption = assume(request, caller_of(sts._sessions.get(access_key)))
                ask_caller(access_key, request.get("RoleArn", ""), assumption)
            except DeniedError as refused:
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
                        service_context={"aws:tagkeys": None, **assumption.context(action)},
                    ),
                )
                for action in assumption.actions()
            )

        return evaluate

    def register_session(original: Function) -> Function:
        def register(access_key: str, session: dict[str, Any]) -> Any:
            assumption = _current.get()
            kept = {} if assumption is None else kept_of(assumption)
            return original(access_key, {**session, **kept})

        return register

    replace(
        "ministack.services.sts", "handle_request", "method path headers body query_params", handle_request
    )
    replace("ministack.services.sts", "register_session", "access_key session", register_session)
    replace(
        "ministack.core.iam_evaluator",
        "evaluate_trust_policy",
        "trust_doc caller_arn ctx",
        evaluate_trust_policy,
    )
    # In the role's own account a trust policy that names the caller needs no other, as any policy of a
    # resource (reference_policies_evaluation-logic_policy-eval-basics).
    sts.trust_policy_for_arn = trust_policy_for_arn
    evaluator._RESOURCE_POLICY_LOOKUPS["sts"] = ("sts", "trust_policy_for_arn")
    _install_keys(replace, sts)


def _install_keys(replace: Replace, sts: Any) -> None:
    """Patch the condition keys of sessions, and of the requests for them."""

    def principal_keys(original: Function) -> Function:
        def keys(credential: Any) -> dict[str, Any]:
            session = sts._sessions.get(credential.access_key_id) or {}
            identity = session.get("SourceIdentity")
            return {**original(credential), **({"aws:sourceidentity": identity} if identity else {})}

        return keys

    def request_tag_context(original: Function) -> Function:
        def context(service: str, iam_action: str, body: bytes, params: Any) -> Any:
            found = original(service, iam_action, body, params)
            if iam_action != ASSUME:
                return found
            return {**found, **read(parameters(body, params)).context(ASSUME)}

        return context

    for module in ("ministack.core.iam_evaluator", "ministack.services.sts"):  # which has taken it by name
        replace(module, "_principal_keys", "credential", principal_keys)
    replace(
        "ministack.core.iam_actions",
        "request_tag_context",
        "service iam_action body params",
        request_tag_context,
    )


def trust_policy(arn: str, role: Callable[[str, str], Mapping[str, Any] | None]) -> tuple[Any, str] | None:
    """Return a role's trust policy and account; None if there is no role of this ARN.

    `role` finds a role by account and name. Its path is of the ARN, too (reference_identifiers).
    """
    named = _ROLE.fullmatch(arn)
    found = role(named[1], named[2]) if named else None
    return (found["AssumeRolePolicyDocument"], named[1]) if named and found and found["Arn"] == arn else None


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


def read(request: Mapping[str, str]) -> Assumption:
    """Return what a request itself says, unchecked."""
    return Assumption(
        source_identity=request.get("SourceIdentity"),
        tags=dict(_members(request)),
        transitive=tuple(
            value for name, value in request.items() if name.startswith("TransitiveTagKeys.member.")
        ),
        name=request.get("RoleSessionName", ""),
        external_id=request.get("ExternalId"),
    )


def assume(request: Mapping[str, str], caller: Caller) -> Assumption:
    """Return what a request to assume a role asks for, after STS's own checks (API_AssumeRole).

    Raises:
        DeniedError: the name, a tag, the source identity or the duration is not allowed.
    """
    asked = read(request)
    if not _NAME.fullmatch(asked.name):
        raise DeniedError(400, "ValidationError", f"roleSessionName must be {_NAME_RULE}")
    if asked.source_identity is not None and not _NAME.fullmatch(asked.source_identity):
        raise DeniedError(400, "ValidationError", f"sourceIdentity must be {_NAME_RULE}")
    if caller.source_identity is not None and asked.source_identity not in (None, caller.source_identity):
        raise DeniedError(403, "AccessDenied", "The source identity of the calling session can't be changed")
    check_tags(asked, caller)
    if caller.is_role and int(request.get("DurationSeconds") or 0) > _CHAINED_SECONDS:
        raise DeniedError(
            400,
            "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit of role chaining",
        )
    return dataclasses.replace(
        asked,
        source_identity=caller.source_identity or asked.source_identity,
        tags={**asked.tags, **caller.transitive_tags},
        transitive=(*asked.transitive, *caller.transitive_tags),
    )


def check_tags(asked: Assumption, caller: Caller) -> None:
    """Check the tags of a request (API_Tag, id_session-tags).

    Raises:
        DeniedError: one is not valid, or overrides one that the caller hands on; a transitive key has no tag.
    """
    for key, value in asked.tags.items():
        if not 1 <= len(key) <= _TAG_KEY_MAX or len(value) > _TAG_VALUE_MAX:
            raise DeniedError(400, "ValidationError", f"the tag {escape(ascii(key))} is too long")
        if not all(map(_is_tag_character, f"{key}{value}")):
            raise DeniedError(
                400, "ValidationError", f"the tag {escape(ascii(key))} has characters that are not allowed"
            )
    keys = {key.lower() for key in asked.tags}
    if missing := [key for key in asked.transitive if key.lower() not in keys]:
        raise DeniedError(
            400,
            "InvalidParameterValue",
            f"no tags for the transitive keys {escape(ascii(missing))}",
        )
    if overridden := [key for key in caller.transitive_tags if key.lower() in keys]:
        raise DeniedError(
            400,
            "InvalidParameterValue",
            f"One of the specified transitive tag keys can't be set because it conflicts with a transitive "
            f"tag key from the calling session: {overridden[0]}",
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
