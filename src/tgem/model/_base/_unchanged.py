"""A training that fails leaves a trained model as it was."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scvi.model.base import BaseModelClass


@contextmanager
def unchanged_if_it_fails(model: BaseModelClass) -> Iterator[None]:
    """Give a model its weights, buffers and history back if an exception passes."""
    if not model.is_trained_:
        yield
        return
    state = model.module.state_dict()
    before = {name: value.detach().cpu().clone() for name, value in state.items()}
    history = dict(model.history_)
    try:
        yield
    except BaseException:  # an interruption before the first epoch is one, too
        model.module.load_state_dict(before)
        model.module.eval()
        model.history_ = history
        raise
