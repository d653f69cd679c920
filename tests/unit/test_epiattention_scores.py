"""Scores of predicted expression, by cell type and over all."""

import numpy as np

from tgem.model.epiattention._scores import expression_scores


def test_a_cell_type_may_be_called_all(generator):
    expression = generator.normal(size=12)
    groups = np.repeat(["all", "K562"], [4, 8])
    table = expression_scores(expression + 0.1, expression, None, groups)
    assert table.index.tolist() == ["all", "K562", "all"]
    assert table["n_genes"].tolist() == [4, 8, 12]
    np.testing.assert_allclose(table["mse"], 0.01)


def test_a_single_group_has_one_row(generator):
    expression = generator.normal(size=5)
    table = expression_scores(expression, expression, None, np.repeat("K562", 5))
    assert table.index.tolist() == ["all"]
    np.testing.assert_allclose(table["spearman"], 1)
