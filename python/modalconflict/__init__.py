"""modalconflict: when a multimodal model follows the text and when the image, why, and where in its layers it wavers.

Nothing heavy is loaded here: a name is imported from its submodule at first use, so that the statistics
are usable without torch or OpenCV in memory.
"""

from __future__ import annotations

import importlib
from typing import Any

from modalconflict.errors import InvalidArgument, IoError, ModalConflictError, ModelError

__version__ = "0.1.0"

# public name -> submodule that defines it
_LAZY: dict[str, str] = {
    "ActivationCache": "hooks",
    "HiddenState": "hooks",
    "Hook": "hooks",
    "LogitLens": "model",
    "Model": "model",
    "PackReads": "model",
    "load_model": "model",
    "TunedLens": "tuned_lens",
    "load_tuned_lens": "tuned_lens",
    "train_tuned_lens": "tuned_lens_training",
    "Bundle": "bundle",
    "load_bundle": "bundle",
    "Pack": "prepare",
    "Preparer": "prepare",
    "RunSpec": "prepare",
    "load_preparer": "prepare",
    "UncertaintyIndex": "core.indices",
    "entropy": "core.indices",
    "entropy_from_logits": "core.indices",
    "uncertainty": "core.indices",
    "uncertainty_indices": "core.indices",
    "register_uncertainty_index": "core.indices",
    "relative_uncertainty": "core.relative",
    "relative_uncertainty_error": "core.relative",
    "log_uncertainty_ratio": "core.relative",
    "OutcomeCounts": "core.outcomes",
    "classify_outcome": "core.outcomes",
    "count_outcomes": "core.outcomes",
    "normalize_answer": "core.outcomes",
    "text_following_rate": "core.outcomes",
    "count_oscillations": "core.oscillations",
    "CenteredIsotonicFit": "core.isotonic",
    "IsotonicFit": "core.isotonic",
    "LogisticFit": "core.logistic",
    "centered_isotonic_fit": "core.isotonic",
    "isotonic_fit": "core.isotonic",
    "isotonic_regression": "core.isotonic",
    "logistic_fit": "core.logistic",
    "BalancePoint": "core.balance",
    "balance_point": "core.balance",
    "Calibration": "core.calibration",
    "expected_calibration_error": "core.calibration",
    "fit_temperature": "core.calibration",
    "semantic_entropy": "core.calibration",
    "sequence_surprisal": "core.calibration",
    "MedianSplit": "core.monotonicity",
    "SufficiencyTest": "core.monotonicity",
    "TrendTest": "core.monotonicity",
    "ViolationTest": "core.monotonicity",
    "median_split": "core.monotonicity",
    "spearman": "core.monotonicity",
    "sufficiency_test": "core.monotonicity",
    "trend_test": "core.monotonicity",
    "violation_test": "core.monotonicity",
    "BalanceDifference": "core.comparison",
    "Decomposition": "core.comparison",
    "balance_point_difference": "core.comparison",
    "decompose_following": "core.comparison",
    "IsotonicSurface": "core.surface",
    "isotonic_surface": "core.surface",
    "PermutationTest": "core.oscillations",
    "commitment_layer": "core.oscillations",
    "permutation_test": "core.oscillations",
    "BetaBinomialFit": "core.logistic",
    "IsotonicBand": "core.isotonic",
    "beta_binomial_fit": "core.logistic",
    "isotonic_band": "core.isotonic",
    "run": "runner",
    "record": "recording",
    "analyze": "analysis",
    "load_analysis": "analysis",
    "report": "reporting",
    "read_records": "records",
}

_SUBMODULES = frozenset({"api", "datasets", "export", "plots", "records", "synthetic"})

__all__ = ["InvalidArgument", "IoError", "ModalConflictError", "ModelError", *_LAZY, *_SUBMODULES]


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"modalconflict.{name}")
    if name in _LAZY:
        value = getattr(importlib.import_module(f"modalconflict.{_LAZY[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'modalconflict' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
