"""Cell and tumour typing: data sets, splits, methods, and the statistics of their comparison."""
