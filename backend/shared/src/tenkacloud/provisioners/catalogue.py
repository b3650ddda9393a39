"""All steps there are, found from the files of this package, and what is done with all of them.

A module that has a function `provisioner(parts)` is a step; no list of them is kept.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Final

import tenkacloud.provisioners as package
from tenkacloud.errors import PermanentError
from tenkacloud.isolation.places import Place
from tenkacloud.platform.clients import Call, Clients
from tenkacloud.provisioners.types import Parts, Provisioner, ProvisionerSettings, TenantSpec
from tenkacloud.tenants.validation import Tier

_FACTORY: Final = "provisioner"


@dataclass(frozen=True)
class Catalogue:
    """The steps. `together` makes calls that do not depend on each other.

    What its methods raise is what those of `Provisioner` raise.
    """

    steps: tuple[Provisioner, ...]
    together: Callable[[Sequence[Call]], list[BaseException | None]]

    def for_tier(self, tier: Tier) -> tuple[Provisioner, ...]:
        """Return the steps that a tenant of a tier gets."""
        return tuple(step for step in self.steps if tier in step.tiers)

    def ensure(self, tenant: TenantSpec) -> dict[str, str]:
        """Build all that the tenant's tier gives it, side by side; return the record's `resources`.

        Steps go on whatever becomes of the others, so that a retry finds the more of it built. If one fails
        for good, that is what is raised.

        Raises:
            ValueError: the tenant's tier is not known.
        """
        if tenant.tier is None:
            raise ValueError("what a tenant gets depends on its tier")
        steps = self.for_tier(tenant.tier)
        outputs: dict[str, Mapping[str, str]] = {}

        def ensure(step: Provisioner) -> None:
            outputs[step.name] = step.ensure(tenant)

        if len(steps) == 1:
            ensure(steps[0])
        else:
            errors = [error for error in self.together([partial(ensure, step) for step in steps]) if error]
            for error in sorted(errors, key=lambda error: not isinstance(error, PermanentError)):
                raise error
        return {name: value for step in steps for name, value in outputs[step.name].items()}

    def verify(self, tenant: TenantSpec) -> list[str]:
        """Return what is not as `ensure` leaves it, a line for each.

        Raises:
            ValueError: the tenant's tier is not known.
        """
        if tenant.tier is None:
            raise ValueError("what a tenant gets depends on its tier")
        return [problem for step in self.for_tier(tenant.tier) for problem in step.verify(tenant)]

    def open(self, tenant: TenantSpec, resources: Mapping[str, str]) -> None:
        """Let the tenant's own sessions in, after all that its tier gives it was built closed to them."""
        for step in self.for_tier(tenant.tier) if tenant.tier else ():
            step.open(tenant, resources)

    def places_to_purge(self, tenant: TenantSpec, known: Iterable[Place]) -> tuple[Place, ...]:
        """Return all places that hold objects of the tenant, of whichever tier, ready to be purged.

        `known`: those that its record names, or has named. Others are found by the tenant alone.
        """
        return tuple(
            dict.fromkeys(
                place
                for step in self.steps
                for named in resources_naming(known)
                for place in step.places_to_purge(tenant, named)
            )
        )

    def remove(
        self, tenant: TenantSpec, resources: Mapping[str, str], *, except_for: Tier | None = None
    ) -> dict[str, int]:
        """Take away all that the tenant has, of whichever tier; return how many things, by the step's name.

        Except what a tenant of the tier `except_for` gets: that one keeps it.
        """
        return {step.name: step.remove(tenant, resources) for step in self._all(except_for)}

    def remains(self, tenant: TenantSpec, resources: Mapping[str, str]) -> list[str]:
        """Return the names of what there still is of the tenant, of whichever tier, but for its objects."""
        return [name for step in self.steps for name in step.remains(tenant, resources)]

    def _all(self, except_for: Tier | None) -> Iterator[Provisioner]:
        return (step for step in self.steps if except_for not in step.tiers)


def catalogue(settings: ProvisionerSettings, clients: Clients) -> Catalogue:
    """Return the steps, made for a function."""
    parts = Parts(settings, clients)
    return Catalogue(tuple(getattr(module, _FACTORY)(parts) for module in step_modules()), clients.together)


def resources_naming(places: Iterable[Place]) -> tuple[dict[str, str], ...]:
    """Return maps in the shape of `resources` that name these places: as few as can, one of none.

    Each step looks at each of them, and a tenant in one place after another has a place of either kind.
    """
    found: list[dict[str, str]] = [{}]
    for place in dict.fromkeys(places):
        for named in found:
            if place.kind not in named:
                named[place.kind] = place.name
                break
        else:
            found.append(place.as_resources())
    return tuple(found)


def step_modules() -> Iterator[ModuleType]:
    """Yield the modules that are steps, by their names in order."""
    for found in sorted(pkgutil.iter_modules(package.__path__), key=lambda each: each.name):
        if found.name == __name__.rpartition(".")[2]:
            continue
        module = importlib.import_module(f"{package.__name__}.{found.name}")
        if hasattr(module, _FACTORY):
            yield module
