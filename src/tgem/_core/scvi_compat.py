"""The one place that names what scvi-tools does not promise to keep.

The tests run with scvi-tools 1.4 on Python 3.11 and with 1.5 on Python 3.12. One of them checks
that each name exists, so a release that moves one fails there and not at a user's desk.
"""

from __future__ import annotations

from typing import Any

import rich.pretty  # noqa: F401 - scvi-tools prints with it and does not import it
from scvi.data import AnnDataManager
from scvi.data._constants import (
    _FIELD_REGISTRIES_KEY,
    _MANAGER_UUID_KEY,
    _MODEL_NAME_KEY,
    _SCVI_UUID_KEY,
    _SETUP_ARGS_KEY,
    _STATE_REGISTRY_KEY,
)
from scvi.model._utils import parse_device_args
from scvi.model.base import BaseModelClass

FIELD_REGISTRIES = _FIELD_REGISTRIES_KEY
MODEL_NAME = _MODEL_NAME_KEY
SETUP_ARGS = _SETUP_ARGS_KEY
STATE_REGISTRY = _STATE_REGISTRY_KEY
UNS_KEYS = (_SCVI_UUID_KEY, _MANAGER_UUID_KEY)

# Members without a public name that our subclasses call or override.
PRIVATE_MEMBERS: dict[type, tuple[str, ...]] = {
    AnnDataManager: ("_get_summary_stats_from_registry",),
    BaseModelClass: ("_get_setup_method_args", "_get_most_recent_anndata_manager"),
}

__all__ = [
    "FIELD_REGISTRIES",
    "MODEL_NAME",
    "PRIVATE_MEMBERS",
    "SETUP_ARGS",
    "STATE_REGISTRY",
    "UNS_KEYS",
    "field_states",
    "parse_device_args",
]


def field_states(registry: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What each field remembered when the training data were set up."""
    return {key: dict(field[STATE_REGISTRY]) for key, field in registry[FIELD_REGISTRIES].items()}
