"""Errors against double precision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from shared import published
from torch import Tensor

from attention_layer.layer import FORMS, Layer, Sizes, largest_score_spread

if TYPE_CHECKING:
    from collections.abc import Callable


def errors(sizes: Sizes) -> list[dict[str, Any]]:
    """Largest errors of output and gradients, relative to the largest true value."""
    rows = []
    for n_genes in sizes.errors:
        for factor in (1, 10, 100):
            layer = Layer(n_genes, sizes._replace(n_obs=2)).scaled(factor)
            tokens = [tensor.detach() for tensor in layer.tokens()]
            expected = outputs_and_gradients(published, [t.double() for t in tokens])
            row = {"n_genes": n_genes, "weights_times": factor}
            row["X"] = largest_score_spread(*tokens[:2])
            for form in ("published", "exact", "linear"):
                found = outputs_and_gradients(FORMS[form], tokens)
                row[form] = {
                    name: ((a.double() - b).abs().max() / b.abs().max()).item()
                    for name, a, b in zip(("z", "dq", "dk", "dv"), found, expected, strict=True)
                }
            rows.append(row)
            worst = ", ".join(
                f"{form} {max(row[form].values()):.0e}" for form in ("published", "exact", "linear")
            )
            print(f"error at {n_genes:,} genes, weights x{factor}: {worst}", flush=True)
    return rows


def outputs_and_gradients(
    form: Callable[[Tensor, Tensor, Tensor], Tensor], tokens: list[Tensor]
) -> list[Tensor]:
    tokens = [tensor.clone().requires_grad_() for tensor in tokens]
    output = form(*tokens)
    generator = torch.Generator().manual_seed(1)
    upstream = torch.randn(output.shape, generator=generator).to(output)
    return [output.detach(), *torch.autograd.grad(output, tokens, upstream)]
