"""What the expressions of a plan refer to.

Terraform's plan lists the references of each expression, all of them, also those inside conditionals,
functions and texts. Locals and data sources are listed by name only: what they are made of is not in it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

#: References to what is no resource's: a number, a folder.
_NOTHING: Final = ("count.", "path.", "terraform.")
_MODULE: Final = re.compile(r"module\.([^.\[]+)(?:\[[^]]*\])?(?:\.([^.\[]+))?")

_Path = tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """What an expression may refer to: resources, by addresses without indexes, and what the plan hides."""

    resources: frozenset[str]
    unclear: frozenset[str]


def without_indexes(address: str) -> str:
    """Return an address as the configuration writes it: `a.b["x.y"].c[0]` is `a.b.c`."""
    return re.sub(r'\["(?:[^"\\]|\\.)*"\]|\[[^]]*\]', "", address)


class Configuration:
    """The `configuration` of a plan."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        """Take the root module's."""
        self._modules: dict[_Path, Mapping[str, Any]] = dict(_modules(root, ()))
        self._resources = {
            _address(path, resource["address"]): (path, resource)
            for path, module in self._modules.items()
            for resource in module.get("resources", [])
        }

    def resources(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield every resource and data source as it is written, with its address."""
        for address, (_, resource) in self._resources.items():
            yield address, resource

    def expressions(self, address: str) -> Mapping[str, Any]:
        """Return the expressions of a resource, by attribute; none, if the plan has no such resource."""
        _, resource = self._resources.get(without_indexes(address), ((), {}))
        expressions: Mapping[str, Any] = resource.get("expressions", {})
        return expressions

    def of(self, address: str, attribute: str) -> Found:
        """Return what one attribute of a resource refers to, through variables, outputs and `for_each`."""
        path, resource = self._resources.get(without_indexes(address), ((), {}))
        expression = resource.get("expressions", {}).get(attribute, {})
        resources: set[str] = set()
        unclear: set[str] = set()
        self._collect(path, expression, resource.get("for_each_expression"), resources, unclear, set())
        return Found(frozenset(resources), frozenset(unclear))

    def _collect(
        self, path: _Path, expression: Any, each: Any, resources: set[str], unclear: set[str], seen: set[Any]
    ) -> None:
        for reference in _references(expression):
            if (path, reference) in seen:
                continue
            seen.add((path, reference))
            follow = self._follow(path, reference, each)
            if isinstance(follow, str):
                resources.add(follow)
            elif follow is None:
                unclear.add(reference)
            else:
                for there, more, inner in follow:
                    self._collect(there, more, inner, resources, unclear, seen)

    def _follow(self, path: _Path, reference: str, each: Any) -> str | list[tuple[_Path, Any, Any]] | None:
        """Return a resource's address, or where to look next (module, expression, its for_each), or None."""
        if reference.startswith(_NOTHING):
            return []
        if reference.startswith("each."):
            return None if each is None else [(path, each, None)]
        if reference.startswith("var."):
            if not path:
                return None
            call = self._modules[path[:-1]].get("module_calls", {}).get(path[-1], {})
            given = call.get("expressions", {}).get(re.split(r"[.\[]", reference)[1])
            return None if given is None else [(path[:-1], given, call.get("for_each_expression"))]
        if module := _MODULE.match(reference):
            inside = (*path, module[1])
            outputs = self._modules.get(inside, {}).get("outputs", {})
            chosen = [outputs[module[2]]] if module[2] in outputs else list(outputs.values())
            return [(inside, output.get("expression", {}), None) for output in chosen]
        address = _address(path, ".".join(without_indexes(reference).split(".")[:2]))
        return address if address in self._resources else None


def _modules(module: Mapping[str, Any], path: _Path) -> Iterator[tuple[_Path, Mapping[str, Any]]]:
    yield path, module
    for name, call in module.get("module_calls", {}).items():
        yield from _modules(call.get("module", {}), (*path, name))


def _address(path: _Path, address: str) -> str:
    return "".join(f"module.{name}." for name in path) + address


def _references(expression: Any) -> Iterator[str]:
    """Yield the references of an expression, and of all that it holds; of one reference, the longest form."""
    if isinstance(expression, list):
        for each in expression:
            yield from _references(each)
    elif isinstance(expression, Mapping):
        listed = expression.get("references")
        if isinstance(listed, list) and all(isinstance(each, str) for each in listed):
            for each in listed:
                if not any(other != each and other.startswith((f"{each}.", f"{each}[")) for other in listed):
                    yield each
        for key, value in expression.items():
            if key not in ("references", "constant_value"):
                yield from _references(value)
