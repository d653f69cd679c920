"""The EpiAttention model class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from anndata import AnnData
from mudata import MuData

from tgem._core.scvi_compat import SETUP_ARGS, field_states
from tgem._core.validate import check_choice, check_data, check_dropout
from tgem.data import GRIDS, CellTypeField, ExpressionTargetField, Field, GridField
from tgem.model.epiattention import _genes
from tgem.model.epiattention._cross_validation import CrossValidatedEpigenome
from tgem.model.epiattention._inputs import MODALITIES, Grid
from tgem.model.epiattention._module import CELL_TYPE_KEY, EXPRESSION_KEY, EpiAttentionModule
from tgem.model.epiattention._presets import PRESETS
from tgem.model.epiattention._setup import known_modalities, recognised

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tgem.data import Data

TASKS = ("binary", "regression")


class EpiAttention(CrossValidatedEpigenome):
    """EpiAttention: predicts expression from the epigenome, and says what regulates it.

    Observations are genes, or genes in cell types. Histone marks around the start of
    transcription, CpG methylation and transcription factors each pass a branch of their own;
    several attentions fuse them into one regulatory latent vector, from which expression is
    predicted :cite:p:`kang2020`. Any of the three modalities may be left out, and a gene may
    lack some: what was not measured is masked, not filled in.

    Parameters
    ----------
    adata
        MuData or AnnData set up with :meth:`setup_mudata` or :meth:`setup_anndata`.
    task
        ``"binary"``: is the gene above the median of the training genes in its cell type? (A
        column of 0 and 1 is taken as it is.) ``"regression"``: how high is its log expression?
    preset
        ``"standardized"`` (default): inputs on the scale of the training genes, residual
        connections, dropout, and a penalised linear prediction of marks and methylation that is
        added to the network's. ``"paper"``: the published layers and training, with three faults
        mended (see the notes).
    dropout
        Dropout, where it should differ from the preset's.
    registry
        Set-up of the training data when there are no data; used by :meth:`load`.

    Notes
    -----
    The published code multiplies entries of one modality with attention weights of another, lets
    padded CpGs keep attention, and takes the logarithm of 0 in its loss. Here each weight
    multiplies its own entry, padding is masked before the softmax, and the focal loss is computed
    from logits.

    Examples
    --------
    >>> import tgem
    >>> mdata = tgem.datasets.synthetic_epigenome(n_genes=60, n_factors=20)
    >>> tgem.model.EpiAttention.setup_mudata(
    ...     mdata, expression_key="expression", cell_type_key="cell_type"
    ... )
    >>> model = tgem.model.EpiAttention(mdata)
    >>> model.train(max_epochs=2, enable_progress_bar=False)
    >>> model.predict().shape
    (120,)
    """

    _data_type: ClassVar[Any] = AnnData | MuData

    def __init__(
        self,
        adata: Data | None = None,
        *,
        task: Literal["binary", "regression"] = "binary",
        preset: Literal["standardized", "paper"] = "standardized",
        dropout: float | None = None,
        registry: dict[str, Any] | None = None,
    ) -> None:
        check_choice("task", task, TASKS)
        check_choice("preset", preset, PRESETS)
        check_dropout(dropout)
        self._task, self._preset = task, PRESETS[preset]
        self._module_options = self._preset.module | (
            {} if dropout is None else {"dropout": dropout}
        )
        super().__init__(adata, registry, {"task": task, "preset": preset, "dropout": dropout})

    @classmethod
    def setup_mudata(
        cls,
        mdata: MuData,
        modalities: Mapping[str, str] | None = None,
        expression_key: str | None = None,
        *,
        cell_type_key: str | None = None,
        split_key: str | None = None,
        gene_key: str | None = None,
        group_key: str | None = None,
    ) -> None:
        """Say where measurements, expression and cell types are, and check them.

        Only two identifiers are written, into ``mdata.uns``.

        Parameters
        ----------
        mdata
            Genes, or genes in cell types. Modalities are paired by the names of the observations;
            a gene that a modality lacks, or that is NaN there throughout, is masked in it.
        modalities
            Which modality of `mdata` holds what: ``{"histone": ..., "methylation": ...,
            "tf": ...}`` or some of them; ``None`` for those that have these names. ``histone``
            has ``var["mark"]`` and ``var["bin"]`` (accessibility is a mark like others);
            ``methylation`` has ``var["slot"]`` or ``var["position_index"]``, and
            ``var["feature"]``, where ``"position"`` is the position by which CpGs are sorted, and
            is padded with NaN, or to the number in ``obs["n_cpg"]``; ``tf`` has ``var["factor"]``
            and ``var["feature"]``.
        expression_key
            Column of ``mdata.obs`` with expression, or 0 and 1. Needed for training only.
        cell_type_key
            Column of ``mdata.obs`` with cell types; each gets an embedding and a median of its
            own. ``None`` for data of one cell type.
        split_key
            Column of ``mdata.obs`` with ``"train"``, ``"validation"`` and ``"test"``, where
            :meth:`train` is not told otherwise.
        gene_key
            Column of ``mdata.obs`` with the gene; ``None`` for ``"gene_id"`` or, without it, the
            names of the observations. All observations of a gene are on one side of every split.
        group_key
            Column of ``mdata.obs`` with larger groups that are kept together, such as
            chromosomes.

        Raises
        ------
        KeyError
            If a modality or a column does not exist.
        ValueError
            For an incomplete grid, infinite or half-missing values, a gene in two groups.

        Warns
        -----
        TrainingWarning
            If there are several cell types and no gene is in two of them, as where the names of
            the observations are taken for genes: then no split keeps a gene together.
        """
        check_data(mdata, MuData)
        modalities = known_modalities(mdata, modalities)
        setup_args = cls._get_setup_method_args(**locals())
        cls._register_genes(mdata, setup_args)

    @classmethod
    def setup_anndata(
        cls,
        adata: AnnData,
        expression_key: str | None = None,
        *,
        modality: Literal["histone", "methylation", "tf"] | None = None,
        layer: str | None = None,
        cell_type_key: str | None = None,
        split_key: str | None = None,
        gene_key: str | None = None,
        group_key: str | None = None,
    ) -> None:
        """Set up a single modality in an AnnData.

        Parameters
        ----------
        adata
            Genes, or genes in cell types, x measurements.
        expression_key, cell_type_key, split_key, gene_key, group_key
            As in :meth:`setup_mudata`, columns of ``adata.obs``.
        modality
            What the measurements are; ``None`` to tell by the columns of ``adata.var``.
        layer
            Layer with the measurements; ``None`` for ``adata.X``.

        Raises
        ------
        KeyError, ValueError
            As :meth:`setup_mudata`.
        """
        check_data(adata, AnnData)
        modalities = {modality or recognised(adata): None}
        del modality
        check_choice("modality", next(iter(modalities)), MODALITIES)
        setup_args = cls._get_setup_method_args(**locals())
        cls._register_genes(adata, setup_args)

    @classmethod
    def _register_genes(cls, data: Data, setup_args: dict[str, Any]) -> None:
        named = setup_args[SETUP_ARGS]
        _genes.groups_of(data, named["gene_key"], named["group_key"])  # raises
        if named["cell_type_key"] in data.obs and named["group_key"] is None:
            _genes.warn_of_single_genes(data, named["gene_key"], named["cell_type_key"])
        cls._register(data, setup_args)

    @classmethod
    def _make_fields(cls, **setup_args: Any) -> list[Field]:
        fields: list[Field] = [
            GridField(name, layer=setup_args.get("layer"), modality=modality)
            for name, modality in setup_args["modalities"].items()
        ]
        cell_type_key = setup_args["cell_type_key"]
        return [
            *fields,
            CellTypeField(CELL_TYPE_KEY, cell_type_key),
            ExpressionTargetField(
                EXPRESSION_KEY,
                expression_key=setup_args["expression_key"],
                cell_type_key=cell_type_key,
            ),
        ]

    def _make_module(self) -> EpiAttentionModule:
        states = field_states(self.registry_)
        grids = {}
        for name in (
            name for name in MODALITIES if name in self.registry_[SETUP_ARGS]["modalities"]
        ):
            state, kind = states[name], GRIDS[name]
            positions = [i for i, column in enumerate(state["columns"]) if column == "position"]
            grids[name] = Grid(
                len(state["rows"]),
                len(state["columns"]),
                kept=tuple(positions) if kind.is_ragged else (),
                logarithm=name == "histone" and state["minimum"] >= 0,
            )
        n_cell_types = len(states[CELL_TYPE_KEY].get("categories", []))
        return EpiAttentionModule(grids, n_cell_types, task=self._task, **self._module_options)

    def __repr__(self) -> str:
        sizes = []
        for name, grid in self.module.grids.items():
            words = {"histone": "marks x {} bins", "tf": "factors x {} features"}
            text = words.get(name, "CpG slots x {} features").format(grid.n_columns)
            sizes.append(f"{name} ({grid.n_rows} {text})")
        lines = [
            f"EpiAttention, preset {self._init_params['preset']!r}, {self._task}: "
            + ", ".join(sizes),
            self._describe_training(),
        ]
        return "\n".join(lines)
