"""A container's requests and limits, raised to what its program needs."""

import logging
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from katib_cluster.errors import InvalidConfiguration
from katib_suggestion.errors import shown

logger = logging.getLogger(__name__)

_PARTS = ("requests", "limits")


def raised(existing: object, needed: Mapping[str, Mapping[str, str]], where: str) -> dict[str, Any]:
    """Return resources in which nothing is less than what is needed, and say what was.

    What is not there is added, since Katib would put its own, smaller one: of memory it requests 10Mi and allows 100Mi.
    A negative quantity, which takes a resource out in Katib, stays.

    Args:
        existing: of the configuration: ``requests`` and ``limits``, quantities by the resource's name.
        needed: the same.
        where: it stands, for messages.

    Raises:
        InvalidConfiguration: it is no mapping of mappings, or a quantity that is needed is none.
    """
    found = _mapping(existing, where)
    changed = dict(found)
    for part in _PARTS:
        given = _mapping(found.get(part) or {}, f"{where}.{part}")
        changed[part] = {**given, **_larger(given, needed[part], f"{where}.{part}")}
    _hold_requests(changed, needed, where)
    return changed


def _larger(given: Mapping[str, Any], needed: Mapping[str, str], where: str) -> dict[str, Any]:
    larger: dict[str, Any] = {}
    for name, least in needed.items():
        value = given.get(name)
        if value is not None and not 0 <= _quantity(value, f"{where}.{name}") < _quantity(least, name):
            continue
        if value is not None:
            logger.warning("%s.%s is raised from %s to %s, which the service needs", where, name, value, least)
        larger[name] = least
    return larger


def _hold_requests(resources: Mapping[str, Any], needed: Mapping[str, Mapping[str, str]], where: str) -> None:
    """Let no limit that was put in be below what is requested: no pod would start."""
    limits, requests = resources["limits"], resources["requests"]
    for name in needed["limits"]:
        limit, request = (_quantity(part[name], f"{where}.{name}") for part in (limits, requests))
        if 0 <= limit < request:
            limits[name] = requests[name]


def _mapping(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidConfiguration(where, f"{shown(value)} is not allowed: it must be a mapping")
    return value


def _quantity(value: object, where: str) -> Decimal:
    from kubernetes.utils import parse_quantity  # a second that no other command should pay

    try:
        quantity: Decimal = parse_quantity(value)
    except (ValueError, ArithmeticError, TypeError) as error:
        allowed = "it must be a quantity of Kubernetes, such as 400Mi or 500m"
        raise InvalidConfiguration(where, f"{shown(value)} is not allowed: {allowed}") from error
    return quantity
