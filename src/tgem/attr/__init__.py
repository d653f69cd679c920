"""Attribution methods: how much each input of a function contributed to its output.

Every method takes a differentiable function ``f(*inputs) -> (n_obs, n_targets)`` and tensors,
returns an :class:`Attribution`, and knows nothing of models or of AnnData. ``METHODS`` maps
the name of each method to its function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tgem.attr.gradients import Attribution, integrated_gradients

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["METHODS", "Attribution", "integrated_gradients"]

METHODS: Mapping[str, Callable[..., Attribution[Any]]] = {
    "integrated_gradients": integrated_gradients,
}
"""Attribution methods by name."""
