"""DeepSF's scores are those of captum's DeepLIFT on the same trained network."""

import copy
import warnings

import numpy as np
import pytest
import torch
from torch import nn

import tgem
from tgem.model import DeepSF

# mudata announces changes of its own
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:mudata")
N_OBS = 30


class Log2Plus1(nn.Module):
    def forward(self, values):
        return torch.log2(values + 1)


class ReadByCaptum(nn.Module):
    """A model's network with every bend in a layer of its own, where captum hooks it."""

    def __init__(self, module, decoder):
        super().__init__()
        self.encoder, self.decoder = module.encoder, module.decoder
        self.bends = nn.ModuleList(
            [nn.ReLU()] if decoder == "additive" else [nn.Sigmoid(), Log2Plus1()]
        )

    def forward(self, scaled, offset, tpm):
        found = self.encoder(scaled) @ self.decoder.weight.T + offset
        if len(self.bends) == 1:
            return self.bends[0](found)
        share, logarithm = self.bends
        return logarithm(share(found) * tpm)


@pytest.fixture
def deep_lift():
    captum = pytest.importorskip("captum.attr._core.deep_lift")
    captum.SUPPORTED_NON_LINEAR[Log2Plus1] = captum.nonlinear
    yield captum.DeepLift
    del captum.SUPPORTED_NON_LINEAR[Log2Plus1]


@pytest.fixture(scope="module")
def data():
    return tgem.datasets.synthetic_splicing(n_obs=N_OBS, n_factors=6, n_isoforms=60, seed=5)


@pytest.fixture(scope="module", params=["additive", "sigmoid"])
def model(request, data):
    DeepSF.setup_mudata(data)
    context = DeepSF.pretrain_context(data, n_features=5, max_epochs=5)
    trained = DeepSF(data, decoder=request.param, hidden=(9, 7), context=context)
    trained.train(max_epochs=20, plan_kwargs={"lr": 1e-2}, enable_progress_bar=False)
    return trained


def reference_levels(module, levels, reference):
    if isinstance(reference, list):
        return levels[reference].mean(0)
    return module.factor_median.double() if reference == "median" else torch.zeros_like(levels[0])


@pytest.mark.parametrize("reference", ["median", "zero", [0, 4, 9]])
def test_equals_captum(model, data, deep_lift, reference):
    found = model.get_attributions(list(model.isoform_names), reference=reference)
    summary = model.get_regulation(reference=reference)
    # captum's single precision divides what rounding has left of nearby values
    module = copy.deepcopy(model.module).double().eval()
    genes = torch.from_numpy(data["gene"].X).double()
    levels = module.factor_levels(genes)
    start = module.scaled(reference_levels(module, levels, reference)).expand(N_OBS, -1)
    with torch.no_grad():
        hosts = module.hosts(genes)
        offset = module.decoder.offset(hosts, module.context_features(genes))
    network = ReadByCaptum(module, model.decoder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # captum says that it sets hooks
        method = deep_lift(network)
        scores = [
            method.attribute(
                module.scaled(levels),
                start.contiguous(),
                target=isoform,
                additional_forward_args=(offset, module.decoder.expand(hosts)),
            )
            for isoform in range(len(model.isoform_names))
        ]
    expected = torch.stack(scores, dim=2).detach().numpy()
    largest = np.abs(expected).max()
    assert largest > 0.01
    np.testing.assert_allclose(found, expected, atol=1e-4 * largest)
    np.testing.assert_allclose(summary.mean, expected.mean(0), atol=1e-4 * largest)
    changes = np.abs(expected.sum(1)).max()
    assert summary.residual < 1e-4 * changes
