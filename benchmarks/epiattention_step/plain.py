"""The published network, with the weights of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

if TYPE_CHECKING:
    from tgem.model.epiattention._module import EpiAttentionModule


class Sizes(NamedTuple):
    n_obs: int = 16
    n_marks: int = 7
    n_bins: int = 40
    n_cpgs: int = 436
    n_factors: int = 1016
    repeats: int = 9
    warm_up: int = 2


QUICK = Sizes(n_obs=4, n_bins=20, n_cpgs=12, n_factors=30, repeats=2, warm_up=1)


class PlainAttention(nn.Module):
    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.hidden, self.score = nn.Linear(n_features, 16), nn.Linear(16, 1, bias=False)

    def forward(self, states: Tensor, mask: Tensor | None = None) -> Tensor:
        logits = self.score(torch.tanh(self.hidden(states)))[..., 0]
        if mask is not None:
            logits = logits.masked_fill(~mask, -torch.inf)
        return (torch.softmax(logits, 1)[..., None] * states).sum(1)


class PlainNetwork(nn.Module):
    """The published network, written the straightforward way."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 20, (sizes.n_marks, 7))
        self.norm = nn.BatchNorm2d(20)
        self.histone = nn.LSTM(20, 40, bidirectional=True, batch_first=True)
        self.histone_attention = PlainAttention(80)
        self.methylation = nn.LSTM(2, 10, bidirectional=True, batch_first=True)
        self.methylation_attention = PlainAttention(20)
        self.query, self.key = nn.Linear(3, 30), nn.Linear(3, 30)
        self.factor_norm = nn.BatchNorm1d(3 * sizes.n_factors)
        self.factors = nn.Linear(3 * sizes.n_factors, 5)
        self.fusion = nn.Linear(105, 1050)
        self.reductions = nn.ModuleList(nn.Linear(10 * size, size) for size in (80, 20, 5))
        self.classifier = nn.Sequential(nn.Linear(105, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, histone: Tensor, methylation: Tensor, lengths: Tensor, tf: Tensor) -> Tensor:
        signal = torch.relu(self.norm(self.convolution(histone[:, None])))[:, :, 0]
        signal = nn.functional.max_pool1d(signal, 3, 3, padding=1).transpose(1, 2)
        h = self.histone_attention(self.histone(signal)[0])
        packed = pack_padded_sequence(methylation, lengths, batch_first=True, enforce_sorted=False)
        states, real = pad_packed_sequence(self.methylation(packed)[0], batch_first=True)
        mask = torch.arange(states.shape[1]) < real[:, None]
        m = self.methylation_attention(states, mask.to(states.device))
        maps = torch.softmax(self.query(tf) @ self.key(tf).transpose(1, 2), -1)
        t = torch.tanh(self.factors(self.factor_norm((maps @ tf).flatten(1))))
        joint = torch.cat([h, m, t], 1)
        weights = torch.softmax(self.fusion(joint).view(-1, 10, 105), -1)
        parts = (weights * joint[:, None]).split([80, 20, 5], 2)
        fused = [r(part.flatten(1)) for r, part in zip(self.reductions, parts, strict=True)]
        return self.classifier(torch.cat(fused, 1))


def with_weights_of(plain: PlainNetwork, ours: EpiAttentionModule) -> None:
    """Give our network the weights of the plain one."""
    state = plain.state_dict()
    h, m, t = (ours.branches[name] for name in ("histone", "methylation", "tf"))
    pairs = [
        (h.norm, "norm"),
        (h.attention, "histone_attention"),
        (m.attention, "methylation_attention"),
        (t.attention.query, "query"),
        (t.attention.key, "key"),
        (t.norm, "factor_norm"),
        (t.reduction, "factors"),
        (ours.fusion.attention, "fusion"),
        (ours.fusion.reductions, "reductions"),
    ]
    for module, prefix in pairs:
        part = {k[len(prefix) + 1 :]: v for k, v in state.items() if k.startswith(prefix + ".")}
        module.load_state_dict(part)
    for branch, prefix in ((h, "histone"), (m, "methylation")):
        for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
            getattr(branch.lstm.forwards, name).data.copy_(state[f"{prefix}.{name}"])
            getattr(branch.lstm.backwards, name).data.copy_(state[f"{prefix}.{name}_reverse"])
    h.convolution.weight.data.copy_(state["convolution.weight"][:, 0])
    h.convolution.bias.data.copy_(state["convolution.bias"])
    for i, j in ((0, 0), (3, 2)):  # our classifier also has a place for dropout
        ours.classifier[i].load_state_dict(plain.classifier[j].state_dict())
