"""modalconflict: when a multimodal model follows the text and when the image, why, and where in its layers it wavers."""

from modalconflict import api as api
from modalconflict import datasets as datasets
from modalconflict import export as export
from modalconflict import plots as plots
from modalconflict import records as records
from modalconflict import synthetic as synthetic
from modalconflict.analysis import analyze as analyze
from modalconflict.analysis import load_analysis as load_analysis
from modalconflict.bundle import Bundle as Bundle
from modalconflict.bundle import load_bundle as load_bundle
from modalconflict.core.balance import BalancePoint as BalancePoint
from modalconflict.core.balance import balance_point as balance_point
from modalconflict.core.calibration import Calibration as Calibration
from modalconflict.core.calibration import expected_calibration_error as expected_calibration_error
from modalconflict.core.calibration import fit_temperature as fit_temperature
from modalconflict.core.calibration import semantic_entropy as semantic_entropy
from modalconflict.core.calibration import sequence_surprisal as sequence_surprisal
from modalconflict.core.comparison import BalanceDifference as BalanceDifference
from modalconflict.core.comparison import Decomposition as Decomposition
from modalconflict.core.comparison import balance_point_difference as balance_point_difference
from modalconflict.core.comparison import decompose_following as decompose_following
from modalconflict.core.indices import UncertaintyIndex as UncertaintyIndex
from modalconflict.core.indices import entropy as entropy
from modalconflict.core.indices import entropy_from_logits as entropy_from_logits
from modalconflict.core.indices import register_uncertainty_index as register_uncertainty_index
from modalconflict.core.indices import uncertainty as uncertainty
from modalconflict.core.indices import uncertainty_indices as uncertainty_indices
from modalconflict.core.isotonic import CenteredIsotonicFit as CenteredIsotonicFit
from modalconflict.core.isotonic import IsotonicBand as IsotonicBand
from modalconflict.core.isotonic import IsotonicFit as IsotonicFit
from modalconflict.core.isotonic import centered_isotonic_fit as centered_isotonic_fit
from modalconflict.core.isotonic import isotonic_band as isotonic_band
from modalconflict.core.isotonic import isotonic_fit as isotonic_fit
from modalconflict.core.isotonic import isotonic_regression as isotonic_regression
from modalconflict.core.logistic import BetaBinomialFit as BetaBinomialFit
from modalconflict.core.logistic import LogisticFit as LogisticFit
from modalconflict.core.logistic import beta_binomial_fit as beta_binomial_fit
from modalconflict.core.logistic import logistic_fit as logistic_fit
from modalconflict.core.monotonicity import MedianSplit as MedianSplit
from modalconflict.core.monotonicity import SufficiencyTest as SufficiencyTest
from modalconflict.core.monotonicity import TrendTest as TrendTest
from modalconflict.core.monotonicity import ViolationTest as ViolationTest
from modalconflict.core.monotonicity import median_split as median_split
from modalconflict.core.monotonicity import spearman as spearman
from modalconflict.core.monotonicity import sufficiency_test as sufficiency_test
from modalconflict.core.monotonicity import trend_test as trend_test
from modalconflict.core.monotonicity import violation_test as violation_test
from modalconflict.core.oscillations import PermutationTest as PermutationTest
from modalconflict.core.oscillations import commitment_layer as commitment_layer
from modalconflict.core.oscillations import count_oscillations as count_oscillations
from modalconflict.core.oscillations import permutation_test as permutation_test
from modalconflict.core.outcomes import OutcomeCounts as OutcomeCounts
from modalconflict.core.outcomes import classify_outcome as classify_outcome
from modalconflict.core.outcomes import count_outcomes as count_outcomes
from modalconflict.core.outcomes import normalize_answer as normalize_answer
from modalconflict.core.outcomes import text_following_rate as text_following_rate
from modalconflict.core.relative import log_uncertainty_ratio as log_uncertainty_ratio
from modalconflict.core.relative import relative_uncertainty as relative_uncertainty
from modalconflict.core.relative import relative_uncertainty_error as relative_uncertainty_error
from modalconflict.core.surface import IsotonicSurface as IsotonicSurface
from modalconflict.core.surface import isotonic_surface as isotonic_surface
from modalconflict.errors import InvalidArgument as InvalidArgument
from modalconflict.errors import IoError as IoError
from modalconflict.errors import ModalConflictError as ModalConflictError
from modalconflict.errors import ModelError as ModelError
from modalconflict.hooks import ActivationCache as ActivationCache
from modalconflict.hooks import HiddenState as HiddenState
from modalconflict.hooks import Hook as Hook
from modalconflict.model import LogitLens as LogitLens
from modalconflict.model import Model as Model
from modalconflict.model import PackReads as PackReads
from modalconflict.model import load_model as load_model
from modalconflict.prepare import Pack as Pack
from modalconflict.prepare import Preparer as Preparer
from modalconflict.prepare import RunSpec as RunSpec
from modalconflict.prepare import load_preparer as load_preparer
from modalconflict.recording import record as record
from modalconflict.records import read_records as read_records
from modalconflict.reporting import report as report
from modalconflict.runner import run as run
from modalconflict.tuned_lens import TunedLens as TunedLens
from modalconflict.tuned_lens import load_tuned_lens as load_tuned_lens
from modalconflict.tuned_lens_training import train_tuned_lens as train_tuned_lens

_LAZY: dict[str, str]
_SUBMODULES: frozenset[str]
__version__: str
__all__ = [
    "ActivationCache",
    "BalanceDifference",
    "BalancePoint",
    "BetaBinomialFit",
    "Bundle",
    "Calibration",
    "CenteredIsotonicFit",
    "Decomposition",
    "HiddenState",
    "Hook",
    "InvalidArgument",
    "IoError",
    "IsotonicBand",
    "IsotonicFit",
    "IsotonicSurface",
    "LogisticFit",
    "LogitLens",
    "MedianSplit",
    "ModalConflictError",
    "Model",
    "ModelError",
    "OutcomeCounts",
    "Pack",
    "PackReads",
    "PermutationTest",
    "Preparer",
    "RunSpec",
    "SufficiencyTest",
    "TrendTest",
    "TunedLens",
    "UncertaintyIndex",
    "ViolationTest",
    "analyze",
    "api",
    "balance_point",
    "balance_point_difference",
    "beta_binomial_fit",
    "centered_isotonic_fit",
    "classify_outcome",
    "commitment_layer",
    "count_oscillations",
    "count_outcomes",
    "datasets",
    "decompose_following",
    "entropy",
    "entropy_from_logits",
    "expected_calibration_error",
    "export",
    "fit_temperature",
    "isotonic_band",
    "isotonic_fit",
    "isotonic_regression",
    "isotonic_surface",
    "load_analysis",
    "load_bundle",
    "load_model",
    "load_preparer",
    "load_tuned_lens",
    "log_uncertainty_ratio",
    "logistic_fit",
    "median_split",
    "normalize_answer",
    "permutation_test",
    "plots",
    "read_records",
    "record",
    "records",
    "register_uncertainty_index",
    "relative_uncertainty",
    "relative_uncertainty_error",
    "report",
    "run",
    "semantic_entropy",
    "sequence_surprisal",
    "spearman",
    "sufficiency_test",
    "synthetic",
    "text_following_rate",
    "train_tuned_lens",
    "trend_test",
    "uncertainty",
    "uncertainty_indices",
    "violation_test",
]
