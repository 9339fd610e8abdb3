"""The statistics: arrays in, numbers or result objects out. Needs NumPy and the compiled core, nothing else."""
