"""Parts of the benchmark of calibration, prediction sets and cells of unseen types."""
