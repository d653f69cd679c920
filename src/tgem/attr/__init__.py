"""Attribution methods: how much each input of a function contributed to its output.

Every method takes a function ``f(*inputs) -> (n_obs, n_targets)`` and tensors, returns an
:class:`Attribution`, and knows nothing of models or of AnnData. ``METHODS`` maps the name of each
method to a :class:`Method`, which is called like every other and says what its values mean.
"""

from tgem.attr._problem import Attribution
from tgem.attr.gradients import input_x_gradient, integrated_gradients
from tgem.attr.guided import guided_backpropagation
from tgem.attr.methods import METHODS, Method
from tgem.attr.noise import smoothgrad_squared, vargrad
from tgem.attr.perturbation import ablation

__all__ = [
    "METHODS",
    "Attribution",
    "Method",
    "ablation",
    "guided_backpropagation",
    "input_x_gradient",
    "integrated_gradients",
    "smoothgrad_squared",
    "vargrad",
]
