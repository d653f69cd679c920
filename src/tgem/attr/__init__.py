"""Attribution methods: how much each input of a function contributed to its output.

Every method takes a function ``f(*inputs) -> (n_obs, n_targets)`` and tensors, returns an
:class:`Attribution`, and knows nothing of models or of AnnData. ``METHODS`` maps the name of each
method to a :class:`Method`, which is called like every other and says what its values mean.

DeepLIFT stands apart: :func:`deeplift_scores` takes a network in its parts and gives the scores of
all outputs at once, :func:`deeplift_summary` their mean and spread over samples.
"""

from tgem.attr._problem import Attribution
from tgem.attr.deeplift import (
    HiddenMultipliers,
    deeplift_scores,
    hidden_multipliers,
    output_slopes,
)
from tgem.attr.deeplift_spread import DeepLiftSummary, deeplift_summary
from tgem.attr.gradients import input_x_gradient, integrated_gradients
from tgem.attr.guided import guided_backpropagation
from tgem.attr.methods import METHODS, Method
from tgem.attr.noise import smoothgrad_squared, vargrad
from tgem.attr.perturbation import ablation

__all__ = [
    "METHODS",
    "Attribution",
    "DeepLiftSummary",
    "HiddenMultipliers",
    "Method",
    "ablation",
    "deeplift_scores",
    "deeplift_summary",
    "guided_backpropagation",
    "hidden_multipliers",
    "input_x_gradient",
    "integrated_gradients",
    "output_slopes",
    "smoothgrad_squared",
    "vargrad",
]
