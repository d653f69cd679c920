"""How far attributions add up, and differ from those of captum."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import torch

from attributions.trained import SEED, Networks, Sizes

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn


def relative(found: Tensor, expected: Tensor) -> float:
    """Largest difference relative to the largest expected value."""
    return ((found - expected).abs().max() / expected.abs().max()).item()


def completeness(networks: Networks, sizes: Sizes) -> list[dict[str, Any]]:
    """How far our contributions are from adding up to the change of the output."""
    from tgem.attr import integrated_gradients  # noqa: PLC0415

    ours, _, cells, targets = networks
    change = ours(cells) - ours(torch.zeros_like(cells[:1]))
    change = change.gather(1, targets[:, None])[:, 0].abs()
    rows = []
    for n_steps in sizes.converged:
        residual = integrated_gradients(ours, cells, targets=targets, n_steps=n_steps).residual
        share = residual.abs() / change
        row = {
            "n_steps": n_steps,
            "median": share.median().item(),
            "largest": share.max().item(),
            "largest_residual": residual.abs().max().item(),
            "smallest_change": change.min().item(),
        }
        rows.append(row)
        print(
            f"completeness residual with {n_steps} steps, relative to the change of the output: "
            f"median {row['median']:.0e}, largest {row['largest']:.0e}",
            flush=True,
        )
    return rows


def in_captum(name: str, network: nn.Module, sizes: Sizes) -> Callable[[Tensor, int], Tensor]:
    """captum's form of one of our methods, for one cell."""
    from captum import attr  # noqa: PLC0415

    classes = {
        "integrated_gradients": attr.IntegratedGradients,
        "guided_backpropagation": attr.GuidedBackprop,
        "input_x_gradient": attr.InputXGradient,
        "ablation": attr.FeatureAblation,
    }
    summaries = {"": None, "_smoothgrad_squared": "smoothgrad_sq", "_vargrad": "vargrad"}
    base, kind = next(
        (base, kind)
        for base in classes
        for suffix, kind in summaries.items()
        if name == base + suffix
    )
    method = classes[base](network)
    options: dict[str, Any] = {}
    if base == "integrated_gradients":
        options["n_steps"] = sizes.n_steps
    if kind is not None:
        method = attr.NoiseTunnel(method)
        options |= {"nt_type": kind, "nt_samples": sizes.n_samples, "stdevs": sizes.noise}

    def call(cell: Tensor, target: int) -> Tensor:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # captum says that it needs gradients and hooks
            return method.attribute(cell, target=target, **options).detach()

    return call


def methods(networks: Networks, sizes: Sizes) -> list[dict[str, Any]]:
    """Largest difference from captum for each method, relative to captum's largest value.

    Noise is drawn from the same seed on both sides: ours starts anew at every cell, and so does
    torch's own generator here, which captum draws from, in single precision.
    """
    from tgem.attr import METHODS  # noqa: PLC0415

    rows = []
    for name, method in METHODS.items():
        options = {"n_samples": sizes.n_samples, "noise": sizes.noise} if method.takes_seed else {}
        row: dict[str, Any] = {"method": name}
        for dtype in (torch.float32, torch.float64):
            ours, dense, cells, targets = networks.to(dtype)
            found = method(
                ours, cells, targets=targets, n_steps=sizes.n_steps, seed=SEED, **options
            ).values
            captum = in_captum(name, dense, sizes)
            differences = []
            for i, (values, cell, target) in enumerate(
                zip(found, cells, targets.tolist(), strict=True)
            ):
                torch.manual_seed(SEED + i)
                differences.append(relative(values, captum(cell[None], target)[0]))
            row[str(dtype).removeprefix("torch.")] = max(differences)
        rows.append(row)
        print(f"{name:>45}  {row['float32']:.0e}  {row['float64']:.0e}", flush=True)
    return rows
