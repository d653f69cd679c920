"""The T-GEM model class."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from tgem._core.errors import listed
from tgem._core.validate import check_choice, check_count, check_dropout
from tgem.data import FeatureField, Field, FieldDataset, LabelField, check_log_normalized
from tgem.model.tgem._class_queries import ClassQueryModule
from tgem.model.tgem._class_space import ClassSpaceModel
from tgem.model.tgem._context_gain import ContextGain
from tgem.model.tgem._linear_start import most_tuned
from tgem.model.tgem._presets import PRESETS
from tgem.model.tgem._training import linear_first, standardize
from tgem.model.tgem._typing_module import EXPRESSION_KEY, LABELS_KEY, TypingModule

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from anndata import AnnData

FEWEST_EPOCHS, MOST_EPOCHS = 2, 20


class TGEM(ClassSpaceModel):
    """T-GEM: types cells or tumours by attention between genes, and explains itself.

    Every gene is a token whose value is its expression. Layers of self-attention let each gene
    look at all others; a linear classifier over genes then assigns the label
    :cite:p:`zhang2022`. Time and memory of attention grow linearly with the number of genes, so
    the whole transcriptome fits a laptop; networks of genes go through all pairs.

    Parameters
    ----------
    adata
        Data set up with :meth:`setup_anndata`.
    preset
        ``"default"``: classes read the standardised level of each gene and the context that
        attention gives it; the network starts as a linear classifier. ``"paper"``: the published
        network and training.
    n_layers, n_heads, dropout
        Attention layers (the default preset has one), heads per layer, and dropout, where they
        should differ from the preset's.
    registry
        Set-up of the training data when there are no data; used by :meth:`load`.

    Examples
    --------
    >>> import tgem
    >>> adata = tgem.datasets.synthetic_expression(n_obs=200, n_genes=60)
    >>> tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    >>> model = tgem.model.TGEM(adata)
    >>> model.train(max_epochs=5, enable_progress_bar=False)
    >>> model.predict().shape
    (200,)
    """

    module: TypingModule

    def __init__(
        self,
        adata: AnnData | None = None,
        *,
        preset: Literal["default", "paper"] = "default",
        n_layers: int | None = None,
        n_heads: int | None = None,
        dropout: float | None = None,
        registry: dict[str, Any] | None = None,
    ) -> None:
        check_choice("preset", preset, PRESETS)
        check_dropout(dropout)
        sizes = {"n_layers": n_layers, "n_heads": n_heads, "dropout": dropout}
        self._preset = PRESETS[preset]
        self._module_options = self._preset.module | {
            name: value for name, value in sizes.items() if value is not None
        }
        for name in ("n_layers", "n_heads"):
            if name in self._module_options:
                check_count(name, self._module_options[name])
        unknown = sorted(set(self._module_options) - set(self._preset.module))
        if unknown:
            msg = f"Preset {preset!r} has no {listed(unknown)}: leave it out, or choose another."
            raise ValueError(msg)
        super().__init__(adata, registry, {"preset": preset, **sizes})

    @classmethod
    def setup_anndata(
        cls,
        adata: AnnData,
        labels_key: str | None = None,
        layer: str | None = None,
        *,
        use_raw: bool = False,
        unlabeled_category: str | None = None,
    ) -> None:
        """Say where the expression and the labels are, and check both.

        Only two identifiers are written, into ``adata.uns``.

        Parameters
        ----------
        adata
            Cells x genes, **log1p-normalised** (``sc.pp.normalize_total`` then
            ``sc.pp.log1p``); dense, sparse or backed.
        labels_key
            Column of ``adata.obs`` with the labels to learn. Needed for training only.
        layer
            Layer with the expression; ``None`` for ``adata.X``.
        use_raw
            Whether the expression is in ``adata.raw``, where scanpy workflows keep it when
            ``adata.X`` is z-scored.
        unlabeled_category
            Label that stands for "not labelled". Such cells, and cells whose label is missing,
            are left out of training and still get a prediction.

        Raises
        ------
        KeyError
            If the layer or the column does not exist.
        ValueError
            For raw counts or linear values, NaN or infinite values, duplicate gene names, an
            empty object, fractional numbers as labels.
        """
        setup_args = cls._get_setup_method_args(**locals())
        cls._register(adata, setup_args)

    @classmethod
    def _make_fields(cls, **setup_args: Any) -> list[Field]:
        return [
            FeatureField(
                EXPRESSION_KEY,
                layer=setup_args["layer"],
                use_raw=setup_args["use_raw"],
                check=check_log_normalized,
            ),
            LabelField(
                LABELS_KEY,
                labels_key=setup_args["labels_key"],
                unlabeled_category=setup_args["unlabeled_category"],
            ),
        ]

    def _make_module(self) -> TypingModule:
        # without labels there is nothing to train, yet the model can be looked at
        n_classes = max(self._n_targets, 1)
        network = self._preset.network
        return network(len(self.gene_names), n_classes, **self._module_options)

    def _training_defaults(self) -> dict[str, Any]:
        training = dict(self._preset.training)
        n_steps = training.pop("n_steps", None)
        if n_steps is not None:
            n_cells = self._data(None).n_obs
            if not self._label_field().is_empty:
                n_cells = max(int((self._dataset(None).read(LABELS_KEY) >= 0).sum()), 1)
            n_epochs = round(n_steps * training["batch_size"] / n_cells)
            training["max_epochs"] = min(max(n_epochs, FEWEST_EPOCHS), MOST_EPOCHS)
        return training

    def _default_edges(self) -> tuple[int | None, float | None]:
        if self._preset.top_fraction is not None:
            return None, self._preset.top_fraction
        return super()._default_edges()

    def _prepare_module(self, dataset: FieldDataset, cells: np.ndarray[Any, Any]) -> None:
        if isinstance(self.module, ClassQueryModule):
            standardize(self.module, dataset, cells)

    @contextmanager
    def _around_training(
        self, dataset: FieldDataset, cells: np.ndarray[Any, Any], *, seed: int
    ) -> Iterator[np.ndarray[Any, Any]]:
        if isinstance(self.module, ClassQueryModule):
            with linear_first(self.module, dataset, cells, seed=seed) as seen:
                yield seen
        else:
            yield cells

    def _n_scaled(self, n_train: int) -> int:
        # the linear start's scale is the most likely one for cells left out in five folds
        if isinstance(self.module, ClassQueryModule):
            return min(n_train, most_tuned(len(self.gene_names)))
        return super()._n_scaled(n_train)

    def _attention_counts(self) -> bool:
        return not isinstance(self.module, ClassQueryModule) or bool(self.module.context_weight)

    def _count_attention(self) -> None:
        if isinstance(self.module, ClassQueryModule):
            self.module.weigh_contexts()

    @property
    def attention_gain(self) -> ContextGain | None:
        """What attention is worth on training cells that it did not see.

        The rise of the mean log-likelihood of a cell's label over the linear classifier's,
        its standard error, and the weight that attention therefore gets: 0, which leaves the linear
        classifier, unless a score test of that weight tells it from 0 by two standard errors.
        ``None`` before training and for the paper preset, in which attention is not weighed.
        """
        if not (self.is_trained_ and isinstance(self.module, ClassQueryModule)):
            return None
        return ContextGain(*self.module.context_gain.tolist())

    def __repr__(self) -> str:
        options = self._module_options
        gain = self.attention_gain
        lines = [
            f"TGEM, preset {self._init_params['preset']!r}: {len(self.gene_names)} genes, "
            f"{self._n_targets} classes, {options.get('n_layers', 1)} layers x "
            f"{options['n_heads']} heads",
            self._describe_training(),
            *([] if gain is None else [str(gain)]),
            *([str(self.calibration)] if self.is_trained_ else []),
        ]
        return "\n".join(lines)
