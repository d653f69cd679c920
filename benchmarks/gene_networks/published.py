"""The network of genes of one class as published: dense, with captum."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

N_STEPS = 50  # as published
STEPS_CHECKED_AT_ONCE = 5  # in double precision; all at once take 20 GB


class Published(nn.Module):
    """The dense network on another's weights; each layer's maps are a module that captum names."""

    def __init__(self, ours: nn.Module) -> None:
        super().__init__()
        self.ours = ours
        self.maps = nn.ModuleList(nn.Softmax(dim=-1) for _ in ours.attentions)

    def forward(self, hidden: Tensor) -> Tensor:
        others = 1 - torch.eye(hidden.shape[-1], dtype=hidden.dtype)
        for attention, softmax in zip(self.ours.attentions, self.maps, strict=True):
            q, k, v = attention.heads(hidden)
            weights = softmax(q.unsqueeze(-1) * k.unsqueeze(-2)) * others
            attended = (weights @ v.unsqueeze(-1)).squeeze(-1)
            summed = torch.einsum("h,nhg->ng", attention.head_weight, attended)
            hidden = hidden + self.ours.norm(summed)
        return self.ours.classifier(nn.functional.leaky_relu(hidden, 0.1))


def published_network(
    dense: Published, cell: Tensor, target: int, n_steps: int, *, at_once: int | None = None
) -> list[Tensor]:
    """Attributions of the maps of each layer, heads summed, ``(n_genes, n_genes)`` each.

    `at_once` steps share a batch; ``None`` for all of them, as published.
    """
    from captum.attr import LayerIntegratedGradients  # noqa: PLC0415

    return [
        LayerIntegratedGradients(dense, softmax)
        .attribute(
            cell,
            torch.zeros_like(cell),
            target=target,
            n_steps=n_steps,
            internal_batch_size=at_once,
        )[0]
        .sum(0)
        .detach()
        for softmax in dense.maps
    ]


def largest_difference(model: Any, dense: Published, cells: list[int]) -> float:
    """Of scaled edge weights in single cells, ours with its own steps against captum's, doubles."""
    precise = copy.deepcopy(dense).double()
    genes, worst = model.gene_names, 0.0
    expression = torch.from_numpy(model.get_expression(indices=cells)).double()
    codes = dense(expression.float()).argmax(1)
    others = 1 - torch.eye(len(genes), dtype=torch.float64)
    for row, cell in enumerate(cells):
        table = model.get_network(
            indices=[cell], groupby="group", n_edges=len(dense.maps) * len(genes) ** 2
        )
        theirs = published_network(
            precise, expression[[row]], int(codes[row]), N_STEPS, at_once=STEPS_CHECKED_AT_ONCE
        )
        for number, values in enumerate(theirs, 1):
            edges = table[table["layer"] == number]
            found = torch.zeros_like(values)
            rows, columns = (genes.get_indexer(edges[end]) for end in ("source", "target"))
            found[rows, columns] = torch.from_numpy(edges["weight"].to_numpy().copy())
            expected = values * others
            expected /= expected.abs().max()
            worst = max(worst, (found - expected).abs().max().item())
    return worst
