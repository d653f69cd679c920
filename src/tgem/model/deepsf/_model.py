"""The DeepSF model class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mudata import MuData

from tgem._core.scvi_compat import field_states
from tgem._core.validate import check_choice, check_count, check_dropout
from tgem.data import Field, GeneField, IsoformField
from tgem.model.deepsf._context import GeneContext
from tgem.model.deepsf._interpreted import InterpretedModel
from tgem.model.deepsf._module import GENES_KEY, ISOFORMS_KEY, DeepSFModule
from tgem.model.deepsf._presets import PRESETS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MODALITIES = {"gene": "gene", "isoform": "isoform"}


class DeepSF(InterpretedModel):
    """DeepSF: predicts isoforms from splicing factors, and says which factor regulates which.

    Dense layers read the expression of splicing factors; a decoder turns them, together with the
    expression of each isoform's gene and optionally the cell's context, into the expression of
    every isoform :cite:p:`deepsf`.

    Parameters
    ----------
    mdata
        Data set up with :meth:`setup_mudata`.
    decoder
        ``"usage"``: the gene's TPM, shared out among its isoforms by a softmax which starts at
        the mean usage in training. ``"additive"``: DeepSF as published. ``"sigmoid"``: DeepRBP as
        published :cite:p:`deeprbp2024`. ``"psi"``: for values in 0 to 1, possibly missing.
    hidden
        Units of the layers between the factors and the decoder; ``None`` for the decoder's
        preset, (183, 82) for DeepSF and (1024, 128) for DeepRBP.
    dropout
        Share of hidden units dropped in training; ``None`` for the preset's.
    penalty
        Strength of the read-out's ridge penalty, which keeps an isoform at its mean in training
        unless the samples speak against it; ``None`` for the preset's. It acts in proportion to
        inputs of the read-out per training sample.
    context
        A pretrained autoencoder of gene expression from :meth:`pretrain_context`, the folder of
        one, or ``None``.
    fine_tune_context
        Whether training changes the context's encoder.
    registry, adata
        Set-up of the training data when there are no data, and the name by which the base class
        passes them; used by :meth:`load`.

    Examples
    --------
    >>> import tgem
    >>> mdata = tgem.datasets.synthetic_splicing(n_obs=60, n_factors=8, n_isoforms=80)
    >>> tgem.model.DeepSF.setup_mudata(mdata)
    >>> model = tgem.model.DeepSF(mdata)
    >>> model.train(max_epochs=5, enable_progress_bar=False)
    >>> model.predict().shape == (60, len(model.isoform_names))
    True
    """

    _data_type = MuData

    def __init__(
        self,
        mdata: MuData | None = None,
        *,
        decoder: Literal["usage", "additive", "sigmoid", "psi"] | None = None,
        hidden: Sequence[int] | None = None,
        dropout: float | None = None,
        penalty: float | None = None,
        context: GeneContext | str | Path | dict[str, Any] | None = None,
        fine_tune_context: bool = False,
        registry: dict[str, Any] | None = None,
        adata: MuData | None = None,
    ) -> None:
        check_dropout(dropout)
        mdata = adata if mdata is None else mdata
        self._given: dict[str, Any] = {
            "decoder": decoder,
            "hidden": hidden,
            "dropout": dropout,
            "penalty": penalty,
        }
        if isinstance(context, str | Path):
            context = GeneContext.load(context)
        elif isinstance(context, dict):  # of a saved model, whose weights come with its own
            context = GeneContext.from_description(context)
        self._context, self._fine_tune_context = context, fine_tune_context
        super().__init__(
            mdata,
            registry,
            {
                "decoder": decoder,
                "hidden": None if hidden is None else [int(size) for size in hidden],
                "dropout": dropout,
                "penalty": penalty,
                "context": None if context is None else context.describe(),
                "fine_tune_context": fine_tune_context,
            },
        )

    @classmethod
    def setup_mudata(
        cls,
        mdata: MuData,
        modalities: Mapping[str, str] | None = None,
        gene_layer: str | None = None,
        *,
        isoform_layer: str | None = None,
        gene_id_key: str = "gene_id",
        factor_key: str = "splicing_factor",
        context_key: str | None = "protein_coding",
    ) -> None:
        """Say where genes and isoforms are, and check both.

        Samples are paired by name. Isoforms that are the only one of their gene, and isoforms
        whose gene is not in the gene modality, are set aside. Only identifiers are written, into
        ``mdata.uns``.

        Parameters
        ----------
        mdata
            Genes and isoforms of the same samples, both in **TPM** (not logarithms; the model
            takes those itself). For the ``"psi"`` decoder, the isoform modality holds events with
            values in 0 to 1, NaN where not observed.
        modalities
            Names of the two modalities, ``{"gene": "gene", "isoform": "isoform"}`` by default.
        gene_layer, isoform_layer
            Layers with the values; ``None`` for ``.X``.
        gene_id_key
            Column of the isoforms' ``.var`` with the gene of each, a name in the gene modality,
            with or without version suffix.
        factor_key
            Boolean column of the genes' ``.var`` that marks the splicing factors.
        context_key
            Boolean column of the genes' ``.var`` that marks the genes of the context.

        Raises
        ------
        KeyError
            If a modality, layer or column does not exist.
        ValueError
            For logarithms, counts, negative or missing values, repeated names, samples that do
            not pair, no splicing factor, or no gene with two isoforms.
        """
        given = dict(MODALITIES if modalities is None else modalities)
        if set(given) != set(MODALITIES):
            msg = (
                "Expected `modalities` to name the modality of 'gene' and of 'isoform', got "
                f"{given!r}. Pass `modalities={{'gene': ..., 'isoform': ...}}`."
            )
            raise ValueError(msg)
        modalities = given
        setup_args = cls._get_setup_method_args(
            **{key: value for key, value in locals().items() if key != "given"}
        )
        cls._register(mdata, setup_args)

    @classmethod
    def _make_fields(cls, **setup_args: Any) -> list[Field]:
        modalities = setup_args["modalities"]
        genes = GeneField(
            GENES_KEY,
            modality=modalities["gene"],
            layer=setup_args["gene_layer"],
            factor_key=setup_args["factor_key"],
            context_key=setup_args["context_key"],
        )
        isoforms = IsoformField(
            ISOFORMS_KEY,
            modality=modalities["isoform"],
            layer=setup_args["isoform_layer"],
            gene_id_key=setup_args["gene_id_key"],
            genes=genes,
        )
        return [genes, isoforms]

    def _make_module(self) -> DeepSFModule:
        values = self._isoforms["values"]
        name = self._given["decoder"] or ("psi" if values == "psi" else "usage")
        check_choice("decoder", name, PRESETS)
        if (name == "psi") != (values == "psi"):
            msg = (
                f"Expected {'values in 0 to 1' if name == 'psi' else 'TPM'} for "
                f"`decoder={name!r}`, and the isoform modality holds {values.upper()}."
            )
            raise ValueError(msg)
        self._init_params["decoder"] = name
        preset = PRESETS[name]
        hidden = preset.hidden if self._given["hidden"] is None else self._given["hidden"]
        for size in hidden:
            check_count("hidden", size)
        dropout = preset.dropout if self._given["dropout"] is None else self._given["dropout"]
        penalty = preset.penalty if self._given["penalty"] is None else self._given["penalty"]
        context = self._context
        return DeepSFModule(
            field_states(self.registry_)[GENES_KEY]["factors"],
            self._isoforms["genes"],
            decoder=name,
            hidden=hidden,
            dropout=float(dropout),
            clip=preset.clip,
            unit_range=preset.unit_range,
            penalty=float(penalty),
            context=None if context is None else context.copied_network(),
            context_genes=[] if context is None else self._context_columns(context),
            fine_tune_context=self._fine_tune_context,
        )

    def _training_defaults(self) -> dict[str, Any]:
        return PRESETS[self.decoder].training

    def __repr__(self) -> str:
        sizes = [
            layer.out_features
            for layer in self.module.encoder
            if hasattr(layer, "weight") and hasattr(layer, "out_features")
        ]
        layers = [
            f"{len(self.factor_names)} splicing factors",
            *map(str, sizes),
            f"{self._n_targets} isoforms of {self.isoform_genes.nunique()} genes",
        ]
        lines = [f"DeepSF, decoder {self.decoder!r}: {' -> '.join(layers)}"]
        field = next(field for field in self._fields if field.registry_key == ISOFORMS_KEY)
        if isinstance(field, IsoformField):
            lines += field.set_aside(self._isoforms)
        lines.append(f"context: {self._context or 'none'}")
        lines.append(self._describe_training())
        return "\n".join(lines)
