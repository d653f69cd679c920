"""Sharp attention, and the whole published network."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from shared import DenseAttention, ratios

from attention_layer.layer import Layer, Sizes, largest_score_spread, mean_entropy
from attention_layer.turns import in_turns


def sharp_attention(sizes: Sizes, device: str) -> dict[str, Any]:
    """Time where weights are so large that the mean row has half of the largest entropy.

    Rows of genes that are not expressed have zero queries and stay uniform; they do not count.
    """
    target = math.log(sizes.paper) / 2
    low, high = 0.0, 12.0  # logarithm of the factor
    for _ in range(20):
        middle = (low + high) / 2
        found = mean_entropy(Layer(sizes.paper, sizes, device).scaled(math.exp(middle)))
        low, high = (middle, high) if found > target else (low, middle)
    layer = Layer(sizes.paper, sizes, device).scaled(math.exp(low))
    steps = {form: partial(layer, form) for form in ("published", "linear")}
    times = in_turns(steps, sizes, device)
    result = {
        "n_genes": sizes.paper,
        "weights_times": math.exp(low),
        "X": largest_score_spread(*layer.tokens()[:2]),
        "mean_entropy": mean_entropy(layer),
        "target_entropy": target,
        **times,
        "ratio": ratios(times, "published", "linear"),
    }
    print(f"sharp attention: {result['ratio']['wall_s']:.0f} times faster (wall)", flush=True)
    return result


def network(sizes: Sizes, device: str) -> dict[str, Any]:
    """Forward and backward pass of the published three-layer network, with equal weights."""
    # Imported here, as the fresh processes that measure memory need none of it.
    from tgem.model.tgem._module import TGEMModule  # noqa: PLC0415
    from tgem.model.tgem._presets import PRESETS  # noqa: PLC0415

    preset = PRESETS["paper"]
    n_classes = 10
    expression = Layer(
        sizes.paper, sizes._replace(n_obs=preset.training["batch_size"]), device
    ).expression
    labels = torch.arange(len(expression), device=device) % n_classes
    modules = {}
    for name in ("published", "linear"):
        torch.manual_seed(0)
        module = TGEMModule(sizes.paper, n_classes, **preset.module).to(device)
        if name == "published":
            module.attentions = torch.nn.ModuleList(map(DenseAttention, module.attentions))
        modules[name] = module
    loss = {}

    def step(name: str) -> None:
        modules[name].zero_grad()
        torch.manual_seed(1)  # equal dropout
        value = modules[name].loss(modules[name](expression), labels)
        value.backward()
        loss[name] = value.item()

    times = in_turns({name: partial(step, name) for name in modules}, sizes, device)
    ratio = ratios(times, "published", "linear")
    print(f"three-layer network: {ratio['wall_s']:.0f} times faster (wall)", flush=True)
    return {"n_genes": sizes.paper, **times, "ratio": ratio, "loss": loss}
