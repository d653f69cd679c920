"""The EpiAttention model class."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from mudata import MuData

from tgem._core.errors import TrainingWarning, listed, warn
from tgem._core.scvi_compat import SETUP_ARGS, field_states
from tgem._core.validate import check_choice, check_data
from tgem.data import (
    GRIDS,
    CellTypeField,
    ExpressionTargetField,
    Field,
    FieldDataset,
    GridField,
    Split,
)
from tgem.model.epiattention import _genes
from tgem.model.epiattention._explained import ExplainedEpigenome
from tgem.model.epiattention._inputs import MODALITIES, Grid
from tgem.model.epiattention._module import CELL_TYPE_KEY, EXPRESSION_KEY, EpiAttentionModule
from tgem.model.epiattention._presets import PRESETS
from tgem.model.epiattention._setup import known_modalities, recognised
from tgem.train import KeepBestWeights

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lightning.pytorch import Callback

    from tgem.data import Data

TASKS = ("binary", "regression")
SCAN_GENES = 1024
LARGEST_LOG_EXPRESSION = 30.0


class EpiAttention(ExplainedEpigenome):
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
        self._task, self._preset = task, PRESETS[preset]
        self._module_options = self._preset.module | (
            {} if dropout is None else {"dropout": dropout}
        )
        self._fold: Split | None = None
        super().__init__(adata, registry, {"task": task, "preset": preset, "dropout": dropout})

    # -- set-up ---------------------------------------------------------------------------

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

    # -- training -------------------------------------------------------------------------

    def _training_defaults(self) -> dict[str, Any]:
        return self._preset.training

    def _callbacks(self) -> list[Callback]:
        monitor = self._preset.monitor if self._task == "binary" else "validation_loss"
        return [KeepBestWeights(monitor, larger_is_better=monitor == "validation_auroc")]

    def _targets(self, dataset: FieldDataset) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Measured expression and code of the cell type of all observations."""
        if self.registry_[SETUP_ARGS]["expression_key"] is None:
            msg = (
                "Training needs measured expression, and the data were set up without "
                "`expression_key`. Set them up again with `expression_key=...`."
            )
            raise ValueError(msg)
        targets = dataset.read(EXPRESSION_KEY)
        return targets[:, 0].copy(), targets[:, 1].astype(np.int64)

    def _make_split(self, dataset: FieldDataset, split_key: str | None, **sizes: Any) -> Split:
        expression, cell_type = self._targets(dataset)
        self._check_task(expression)
        if self._fold is not None:
            return self._fold
        codes = self._usable(dataset, _genes.levels(expression, cell_type))
        named, data = self.registry_[SETUP_ARGS], self._data(None)
        key = split_key if split_key is not None else named["split_key"]
        if key is not None:
            genes = _genes.gene_names(data, named["gene_key"])
            return _genes.split_from_obs(data, codes, key, genes)
        groups = _genes.groups_of(data, named["gene_key"], named["group_key"])
        return _genes.split_by_group(codes, groups, **sizes)

    def _usable(self, dataset: FieldDataset, codes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Leave genes without any modality out of training."""
        has = np.zeros(len(codes), dtype=bool)
        for start in range(0, len(codes), SCAN_GENES):
            cells = np.arange(start, min(start + SCAN_GENES, len(codes)))
            for name in self.modalities:
                has[cells] |= self._has(dataset, name, cells)
        if not has.all():
            msg = (
                f"{int((~has).sum())} of {len(has)} observations were measured in no modality; "
                "they are left out of training."
            )
            warn(msg, TrainingWarning)
        return np.where(has, codes, -1)

    def _check_task(self, expression: np.ndarray[Any, Any]) -> None:
        measured = expression[~np.isnan(expression)]
        key = self.registry_[SETUP_ARGS]["expression_key"]
        if len(np.unique(measured)) < 2:
            msg = f"Expected expression that varies in .obs[{key!r}], found one value only."
            raise ValueError(msg)
        if self._task == "regression" and measured.max() > LARGEST_LOG_EXPRESSION:
            msg = (
                f"Expected log expression in .obs[{key!r}] for `task='regression'`, found values "
                f"up to {measured.max():g}. Take logarithms, for example `np.log1p`, or use "
                "`task='binary'`."
            )
            raise ValueError(msg)

    def _prepare_module(self, dataset: FieldDataset, cells: np.ndarray[Any, Any]) -> None:
        """Fix scales and thresholds by the training genes."""
        for name in self.modalities:
            self.module.scales[name].fit(self._blocks(dataset, name, cells), name)  # type: ignore[operator]
        targets = dataset.read(EXPRESSION_KEY, cells)
        if self._task == "regression":
            self.module.target_mean.fill_(float(targets[:, 0].mean()))
            self.module.target_scale.fill_(max(float(targets[:, 0].std()), 1e-6))
        if not field_states(self.registry_)[EXPRESSION_KEY]["is_binary"]:
            for code in range(len(self.module.threshold)):
                values = targets[targets[:, 1] == code, 0]
                if len(values):
                    self.module.threshold[code] = float(np.median(values))
        if self.module.linear is not None:
            self._fit_linear(dataset, cells, torch.from_numpy(targets))

    def _fit_linear(
        self, dataset: FieldDataset, cells: np.ndarray[Any, Any], targets: torch.Tensor
    ) -> None:
        """Fit the linear part, genes or groups of genes kept together."""
        module, linear = self.module, self.module.linear
        assert linear is not None
        values = [
            linear.values(module.scales, *module.masked(*inputs)).cpu().numpy()
            for inputs in self._batches(dataset, cells, SCAN_GENES)
        ]
        if self._task == "regression":
            wanted = (targets[:, 0] - module.target_mean) / module.target_scale
        else:
            wanted = 2 * module.is_high(targets) - 1
        named = self.registry_[SETUP_ARGS]
        groups = _genes.groups_of(self._data(None), named["gene_key"], named["group_key"])
        linear.fit(np.concatenate(values), wanted.double().numpy(), groups[cells])

    @contextmanager
    def _around_training(
        self, dataset: FieldDataset, cells: np.ndarray[Any, Any], *, seed: int
    ) -> Iterator[np.ndarray[Any, Any]]:
        """Train the network alone; afterwards the linear part counts beside it."""
        linear = self.module.linear
        if linear is None:
            yield cells
            return
        linear.take_part(counts=False)
        try:
            yield cells
        finally:
            linear.take_part(counts=True)

    def _blocks(
        self, dataset: FieldDataset, name: str, cells: np.ndarray[Any, Any]
    ) -> Iterator[torch.Tensor]:
        for start in range(0, len(cells), SCAN_GENES):
            yield torch.from_numpy(dataset.read(name, cells[start : start + SCAN_GENES]))

    # -- cross-validation -----------------------------------------------------------------

    def cross_validate(
        self, n_folds: int = 4, *, seed: int = 0, **train_options: Any
    ) -> pd.DataFrame:
        """Train and test on several splits, none of which tears a gene apart.

        The genes are cut into `n_folds` parts. Each part is the test set once; the next one
        validates, and the others train: with four parts as in :cite:t:`kang2020`, two quarters
        train, one validates, one tests. This model itself is not changed.

        Parameters
        ----------
        n_folds
            Number of parts, at least 3.
        seed
            Seed of the parts and of each training.
        **train_options
            For :meth:`train`, such as ``max_epochs``.

        Returns
        -------
        DataFrame: the columns of :meth:`evaluate` for the test genes of each ``fold`` and
        ``cell_type``.

        Raises
        ------
        ValueError
            For too many or too few folds, or options that would set another split.
        """
        given = {"split_key", "train_size", "validation_size", "seed"} & train_options.keys()
        if given:
            msg = f"Expected options of training only, got {listed(sorted(given))}."
            raise ValueError(msg)
        data = self._data(None)
        dataset = self._dataset(None)
        expression, cell_type = self._targets(dataset)
        codes = self._usable(dataset, _genes.levels(expression, cell_type))
        named = self.registry_[SETUP_ARGS]
        groups = _genes.groups_of(data, named["gene_key"], named["group_key"])
        tables = []
        for fold, split in enumerate(_genes.folds(codes, groups, n_folds, seed)):
            model = type(self)(data, **self._init_params)
            model._fold = split
            model.train(seed=seed, **train_options)
            tables.append(model.evaluate().reset_index().assign(fold=fold))
        table = pd.concat(tables, ignore_index=True)
        return table[["fold", *[column for column in table.columns if column != "fold"]]]

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
