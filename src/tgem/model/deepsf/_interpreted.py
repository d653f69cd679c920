"""Reading the model: which factor regulates which isoform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from tgem._core.errors import listed
from tgem._core.validate import check_choice
from tgem.attr import deeplift_scores, integrated_gradients
from tgem.model.deepsf._intervened import IntervenedModel
from tgem.model.deepsf._isoform_deeplift import deeplift_of_all_isoforms, reference_levels
from tgem.model.deepsf._regulation import Regulation
from tgem.nn.segments import segment_softmax

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mudata import MuData

    from tgem.model._base._registered import Cells


class InterpretedModel(IntervenedModel):
    """Getters that say which factor regulates which isoform."""

    def get_regulation(
        self, mdata: MuData | None = None, indices: Cells = None, *, reference: Any = "median"
    ) -> Regulation:
        """Attribute every isoform to every splicing factor, over all samples, by DeepLIFT.

        Scores are of log2(1 + TPM) for the additive and sigmoid decoders and of PSI for
        ``"psi"``. For ``"usage"`` they are of the logits before the softmax, less their mean over
        the gene: DeepLIFT's rule is not defined by products of slopes beyond, and a shift of all
        isoforms of a gene changes no usage. Gene expression and context are held at the sample's
        values.

        Parameters
        ----------
        mdata
            Samples; ``None`` for the training data.
        indices
            Positions of the samples, or a boolean mask; ``None`` for all.
        reference
            What a sample is compared with: ``"median"`` of the training samples; ``"zero"``, all
            factors knocked out; or a group of samples, whose mean it is: ``{"condition":
            "naive"}``, positions or a mask among all samples.

        Returns
        -------
        Mean effects, scores and t-statistics, factors x isoforms.

        References
        ----------
        The rescale rule of :cite:t:`shrikumar2017`; the t-statistic of :cite:t:`deeprbp2024`.
        """
        genes, levels = self._question(mdata, indices, reference)
        scores = deeplift_of_all_isoforms(self.module, genes, levels)
        if self._isoforms["values"] == "tpm":
            lost = torch.isnan(self.module.hosts(genes)).any(0)[self.module.decoder.isoform_gene]
            for table in (scores.effect, scores.mean):
                table[:, lost.cpu().numpy()] = np.nan
        return Regulation(
            scores.effect,
            scores.mean,
            scores.t_statistic,
            factors=self.factor_names,
            isoforms=self.isoform_names,
            genes=self.isoform_genes,
            n_samples=len(genes),
            residual=scores.residual,
        )

    def get_attributions(
        self,
        isoforms: str | Sequence[str],
        mdata: MuData | None = None,
        indices: Cells = None,
        *,
        target: Literal["expression", "usage"] = "expression",
        reference: Any = "median",
        n_steps: int = 50,
    ) -> np.ndarray[Any, Any]:
        """Attribute chosen isoforms to the factors, sample by sample.

        Parameters
        ----------
        isoforms
            Names of isoforms of the model.
        mdata
            Samples; ``None`` for the training data.
        indices
            Positions of the samples, or a boolean mask; ``None`` for all.
        target
            ``"expression"``: DeepLIFT, of the same quantity as :meth:`get_regulation`.
            ``"usage"``: Integrated Gradients of the isoform's usage, through the softmax; for the
            ``"usage"`` decoder.
        reference
            As in :meth:`get_regulation`.
        n_steps
            Steps of Integrated Gradients.

        Returns
        -------
        Array of float32, ``(n_obs, n_factors, n_isoforms)``, which sums over the factors to the
        change of the target from the reference.

        Raises
        ------
        ValueError
            If an isoform is not in the model, or `target` does not fit the decoder.
        """
        check_choice("target", target, ("expression", "usage"))
        names = [isoforms] if isinstance(isoforms, str) else list(isoforms)
        positions = self.isoform_names.get_indexer(names)
        if (positions < 0).any() or not names:
            absent = [name for name, at in zip(names, positions, strict=True) if at < 0]
            msg = (
                f"Expected isoforms of the model, found {listed(absent)}. `model.isoform_names` "
                "lists them; isoforms that are the only one of their gene are set aside."
            )
            raise ValueError(msg)
        genes, levels = self._question(mdata, indices, reference)
        columns = torch.from_numpy(positions).to(genes.device)
        if target == "usage":
            if self.decoder != "usage":
                msg = (
                    f"Expected `decoder='usage'` for attributions of usage, this model has "
                    f"{self.decoder!r}. Use `target='expression'`."
                )
                raise ValueError(msg)
            return self._gradients_of_usage(genes, levels, columns, n_steps)
        decoder = self.module.decoder
        hosts = self.module.hosts(genes)
        with torch.inference_mode():
            offset = decoder.offset(hosts, self.module.context_features(genes))
        arguments = (decoder.expand(hosts)[:, columns],) if decoder.response_reads_genes else ()
        scores = deeplift_scores(
            self.module.encoder,
            decoder.attributed_weight()[columns],
            inputs=self.module.scaled(self.module.factor_levels(genes)),
            baselines=self.module.scaled(levels),
            offset=offset.expand(len(genes), -1)[:, columns],
            response=decoder.response,
            response_arguments=arguments,
        )
        return scores.cpu().numpy()

    def _gradients_of_usage(
        self, genes: torch.Tensor, levels: torch.Tensor, columns: torch.Tensor, n_steps: int
    ) -> np.ndarray[Any, Any]:
        """Integrated Gradients of the usage, one isoform after the other, its gene alone."""
        module, decoder = self.module, self.module.decoder
        with torch.no_grad():
            inputs = module.scaled(module.factor_levels(genes))
            baselines = module.scaled(levels).expand_as(inputs)
            offset = decoder.offset(module.hosts(genes), module.context_features(genes))
            offset = offset.expand(len(genes), -1)
        parts = []
        for column in columns:
            members = torch.nonzero(decoder.isoform_gene == decoder.isoform_gene[column])[:, 0]
            segments = torch.zeros_like(members)

            def usage(
                factors: torch.Tensor,
                constant: torch.Tensor,
                members: torch.Tensor = members,
                segments: torch.Tensor = segments,
            ) -> torch.Tensor:
                logits = module.encoder(factors) @ decoder.weight[members].T + constant
                return segment_softmax(logits, segments, 1)

            held = offset[:, members].contiguous()
            found = integrated_gradients(
                usage,
                (inputs, held),
                targets=int(torch.nonzero(members == column)),
                baselines=(baselines, held),
                n_steps=n_steps,
            )
            parts.append(found.values[0].detach())
        return torch.stack(parts, dim=2).float().cpu().numpy()

    def _question(
        self, mdata: MuData | None, indices: Cells, reference: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Gene TPM of the samples asked about, and levels of the factors at the reference."""
        genes = torch.cat([block for block, _ in self._blocks(mdata, indices)])
        if not len(genes):
            msg = "Expected at least one sample to explain, found none."
            raise ValueError(msg)
        levels = self.module.factor_levels(genes)
        if not isinstance(reference, str):
            everything = torch.cat([block for block, _ in self._blocks(mdata, None)])
            levels = self.module.factor_levels(everything)
        data = self._data(mdata)
        return genes, reference_levels(
            self.module, levels, reference, lambda key: self._column(data, key)
        )
