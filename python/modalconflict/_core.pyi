"""Statistics in C++: the functions behind modalconflict's Python API. Arrays in, arrays or plain structs out."""

import collections.abc
import typing

import numpy
import numpy.typing

class UncertaintyOptions:
    def __init__(self) -> None: ...
    @property
    def alpha(self) -> float: ...
    @alpha.setter
    def alpha(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None: ...
    @property
    def candidates(self) -> list[list[int]]: ...
    @candidates.setter
    def candidates(
        self, arg0: collections.abc.Sequence[collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex]]
    ) -> None: ...
    @property
    def k(self) -> int: ...
    @k.setter
    def k(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    @property
    def q(self) -> float: ...
    @q.setter
    def q(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None: ...
    @property
    def targets(self) -> list[int]: ...
    @targets.setter
    def targets(self, arg0: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex]) -> None: ...
    @property
    def temperature(self) -> float: ...
    @temperature.setter
    def temperature(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None: ...

class MonotoneFit:
    def __getstate__(self) -> tuple[list[float], list[float], list[float], bool]: ...
    def __setstate__(
        self,
        arg0: tuple[
            collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex],
            collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex],
            collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex],
            bool,
        ],
    ) -> None: ...
    def predict(
        self, arg0: typing.Annotated[numpy.typing.ArrayLike, numpy.float64]
    ) -> numpy.typing.NDArray[numpy.float64]: ...
    def predict_smooth(
        self, arg0: typing.Annotated[numpy.typing.ArrayLike, numpy.float64]
    ) -> numpy.typing.NDArray[numpy.float64]: ...
    def threshold(self, level: typing.SupportsFloat | typing.SupportsIndex = 0.5) -> float | None: ...
    @property
    def increasing(self) -> bool: ...
    @property
    def weight(self) -> numpy.typing.NDArray[numpy.float64]: ...
    @property
    def x(self) -> numpy.typing.NDArray[numpy.float64]: ...
    @property
    def y(self) -> numpy.typing.NDArray[numpy.float64]: ...

class LogisticOptions:
    increasing: bool
    def __init__(self) -> None: ...
    @property
    def lower_lapse(self) -> float | None: ...
    @lower_lapse.setter
    def lower_lapse(self, arg0: typing.SupportsFloat | typing.SupportsIndex | None) -> None: ...
    @property
    def max_iterations(self) -> int: ...
    @max_iterations.setter
    def max_iterations(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    @property
    def max_lapse(self) -> float: ...
    @max_lapse.setter
    def max_lapse(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None: ...
    @property
    def upper_lapse(self) -> float | None: ...
    @upper_lapse.setter
    def upper_lapse(self, arg0: typing.SupportsFloat | typing.SupportsIndex | None) -> None: ...

class LogisticFit:
    def __getstate__(
        self,
    ) -> tuple[
        tuple[float, float, float, float, float, float, float],
        tuple[bool, bool, bool, bool],
        int,
        typing.Annotated[list[float], "FixedSize(16)"],
    ]: ...
    def __setstate__(
        self,
        arg0: tuple[
            tuple[
                typing.SupportsFloat | typing.SupportsIndex,
                typing.SupportsFloat | typing.SupportsIndex,
                typing.SupportsFloat | typing.SupportsIndex,
                typing.SupportsFloat | typing.SupportsIndex,
                typing.SupportsFloat | typing.SupportsIndex,
                typing.SupportsFloat | typing.SupportsIndex,
                typing.SupportsFloat | typing.SupportsIndex,
            ],
            tuple[bool, bool, bool, bool],
            typing.SupportsInt | typing.SupportsIndex,
            typing.Annotated[collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex], "FixedSize(16)"],
        ],
    ) -> None: ...
    def predict(
        self, arg0: typing.Annotated[numpy.typing.ArrayLike, numpy.float64]
    ) -> numpy.typing.NDArray[numpy.float64]: ...
    def threshold(self, level: typing.SupportsFloat | typing.SupportsIndex = 0.5) -> float | None: ...
    @property
    def converged(self) -> bool: ...
    @property
    def covariance(self) -> numpy.typing.NDArray[numpy.float64]: ...
    @property
    def increasing(self) -> bool: ...
    @property
    def intercept(self) -> float: ...
    @property
    def lapse_at_bound(self) -> bool: ...
    @property
    def location(self) -> float: ...
    @property
    def log_likelihood(self) -> float: ...
    @property
    def lower_lapse(self) -> float: ...
    @property
    def observations(self) -> int: ...
    @property
    def separated(self) -> bool: ...
    @property
    def slope(self) -> float: ...
    @property
    def upper_lapse(self) -> float: ...
    @property
    def width(self) -> float: ...

class IntervalKind:
    """Members:

    percentile

    bca

    fieller
    """

    __members__: typing.ClassVar[dict[str, IntervalKind]]
    bca: typing.ClassVar[IntervalKind]
    fieller: typing.ClassVar[IntervalKind]
    percentile: typing.ClassVar[IntervalKind]
    @typing.overload
    def __eq__(self, other: IntervalKind) -> bool: ...
    @typing.overload
    def __eq__(self, other: object) -> bool: ...
    def __getstate__(self) -> int: ...
    def __hash__(self) -> int: ...
    def __index__(self) -> int: ...
    def __init__(self, value: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    def __int__(self) -> int: ...
    @typing.overload
    def __ne__(self, other: IntervalKind) -> bool: ...
    @typing.overload
    def __ne__(self, other: object) -> bool: ...
    def __setstate__(self, state: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    @property
    def name(self) -> str: ...
    @property
    def value(self) -> int: ...

class BalanceOptions:
    cluster_correction: bool
    interval: IntervalKind
    logistic: LogisticOptions
    method: str
    def __init__(self) -> None: ...
    @property
    def level(self) -> float: ...
    @level.setter
    def level(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None: ...
    @property
    def replicates(self) -> int: ...
    @replicates.setter
    def replicates(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    @property
    def seed(self) -> int: ...
    @seed.setter
    def seed(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    @property
    def threads(self) -> int: ...
    @threads.setter
    def threads(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None: ...

class BalancePoint:
    @property
    def dispersion(self) -> float: ...
    @property
    def estimate(self) -> float: ...
    @property
    def flags(self) -> list[str]: ...
    @property
    def groups(self) -> int: ...
    @property
    def high(self) -> float: ...
    @property
    def level(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def method(self) -> str: ...
    @property
    def observations(self) -> int: ...
    @property
    def replicate_estimates(self) -> numpy.typing.NDArray[numpy.float64]: ...
    @property
    def replicates(self) -> int: ...
    @property
    def replicates_without_crossing(self) -> int: ...
    @property
    def status(self) -> str: ...

class Calibration:
    @property
    def at_bound(self) -> bool: ...
    @property
    def ece_after(self) -> float: ...
    @property
    def ece_before(self) -> float: ...
    @property
    def nll_after(self) -> float: ...
    @property
    def nll_before(self) -> float: ...
    @property
    def rows(self) -> int: ...
    @property
    def temperature(self) -> float: ...

class MonotonicityOptions:
    increasing: bool
    def __init__(self) -> None: ...
    @property
    def bins(self) -> int: ...
    @bins.setter
    def bins(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    @property
    def replicates(self) -> int: ...
    @replicates.setter
    def replicates(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    @property
    def seed(self) -> int: ...
    @seed.setter
    def seed(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    @property
    def threads(self) -> int: ...
    @threads.setter
    def threads(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None: ...

def balance_point(
    delta_u_rel: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    follow_text: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    groups: typing.Annotated[numpy.typing.ArrayLike, numpy.uint64] | None,
    options: BalanceOptions,
) -> BalancePoint: ...
def balance_point_difference(
    x_first: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    y_first: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    groups_first: typing.Annotated[numpy.typing.ArrayLike, numpy.uint64],
    x_second: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    y_second: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    groups_second: typing.Annotated[numpy.typing.ArrayLike, numpy.uint64],
    options: BalanceOptions,
) -> tuple[float, float, float, float, int, int, int, BalancePoint, BalancePoint]: ...
def balance_points_disagree(first: BalancePoint, second: BalancePoint) -> bool: ...
def beta_binomial_fit(
    x: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    successes: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    trials: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    options: LogisticOptions,
) -> tuple[LogisticFit, float, float, float]: ...
def centered_isotonic_fit(
    x: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    y: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    weights: typing.Annotated[numpy.typing.ArrayLike, numpy.float64] | None = None,
    increasing: bool = False,
) -> MonotoneFit: ...
def chi_square_survival(
    value: typing.SupportsFloat | typing.SupportsIndex, degrees: typing.SupportsInt | typing.SupportsIndex
) -> float: ...
def classify_outcomes(
    y_multimodal: collections.abc.Sequence[str],
    y_text: collections.abc.Sequence[str],
    y_vision: collections.abc.Sequence[str],
) -> list[str]: ...
def commitment_layers(
    lead: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
) -> numpy.typing.NDArray[numpy.int64]: ...
def count_oscillations_by_third(
    labels: collections.abc.Sequence[collections.abc.Sequence[str]],
) -> numpy.typing.NDArray[numpy.int64]: ...
def count_outcomes(outcomes: collections.abc.Sequence[str]) -> tuple[int, int, int, int, float]: ...
def crossing_likelihood_ratio(
    x: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    y: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    probability: typing.SupportsFloat | typing.SupportsIndex = 0.5,
) -> tuple[numpy.typing.NDArray[numpy.float64], numpy.typing.NDArray[numpy.float64]]: ...
def decompose_following(
    x_first: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    y_first: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    groups_first: typing.Annotated[numpy.typing.ArrayLike, numpy.uint64] | None,
    x_second: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    y_second: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    groups_second: typing.Annotated[numpy.typing.ArrayLike, numpy.uint64] | None,
    level: typing.SupportsFloat | typing.SupportsIndex,
    replicates: typing.SupportsInt | typing.SupportsIndex,
    seed: typing.SupportsInt | typing.SupportsIndex,
    threads: typing.SupportsInt | typing.SupportsIndex,
) -> tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float], float, float]: ...
def expected_calibration_error(
    confidence: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    correct: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    bins: typing.SupportsInt | typing.SupportsIndex,
) -> float: ...
def fit_temperature_f32(
    logits: numpy.typing.NDArray[numpy.float32],
    targets: typing.Annotated[numpy.typing.ArrayLike, numpy.int64],
    bins: typing.SupportsInt | typing.SupportsIndex,
    threads: typing.SupportsInt | typing.SupportsIndex,
) -> Calibration: ...
def fit_temperature_f64(
    logits: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    targets: typing.Annotated[numpy.typing.ArrayLike, numpy.int64],
    bins: typing.SupportsInt | typing.SupportsIndex,
    threads: typing.SupportsInt | typing.SupportsIndex,
) -> Calibration: ...
def isotonic_band(
    x: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    y: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    groups: typing.Annotated[numpy.typing.ArrayLike, numpy.uint64] | None,
    at: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    increasing: bool,
    level: typing.SupportsFloat | typing.SupportsIndex,
    replicates: typing.SupportsInt | typing.SupportsIndex,
    seed: typing.SupportsInt | typing.SupportsIndex,
    threads: typing.SupportsInt | typing.SupportsIndex,
) -> tuple[
    numpy.typing.NDArray[numpy.float64],
    numpy.typing.NDArray[numpy.float64],
    numpy.typing.NDArray[numpy.float64],
    numpy.typing.NDArray[numpy.float64],
]: ...
def isotonic_fit(
    x: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    y: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    weights: typing.Annotated[numpy.typing.ArrayLike, numpy.float64] | None = None,
    increasing: bool = False,
) -> MonotoneFit: ...
def isotonic_regression(
    y: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    weights: typing.Annotated[numpy.typing.ArrayLike, numpy.float64] | None = None,
    increasing: bool = False,
) -> numpy.typing.NDArray[numpy.float64]: ...
def isotonic_surface(
    values: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    weights: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    increasing_rows: bool,
    increasing_columns: bool,
) -> numpy.typing.NDArray[numpy.float64]: ...
def likelihood_ratio_quantile(level: typing.SupportsFloat | typing.SupportsIndex) -> float: ...
def log_uncertainty_ratio(
    u_text: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    u_vision: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    zero_policy: str,
) -> numpy.typing.NDArray[numpy.float64]: ...
def logistic_fit(
    x: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    y: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    weights: typing.Annotated[numpy.typing.ArrayLike, numpy.float64] | None,
    options: LogisticOptions,
    groups: typing.Annotated[numpy.typing.ArrayLike, numpy.uint64] | None,
) -> LogisticFit: ...
def permutation_test(
    values: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    is_first: typing.Annotated[numpy.typing.ArrayLike, numpy.uint8],
    groups: typing.Annotated[numpy.typing.ArrayLike, numpy.uint64] | None,
    permutations: typing.SupportsInt | typing.SupportsIndex,
    seed: typing.SupportsInt | typing.SupportsIndex,
    threads: typing.SupportsInt | typing.SupportsIndex,
) -> tuple[float, float, int, int, int]: ...
def relative_uncertainty(
    u_text: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    u_vision: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    zero_policy: str,
) -> numpy.typing.NDArray[numpy.float64]: ...
def relative_uncertainty_error(
    u_text: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    u_vision: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    error_text: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    error_vision: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
) -> numpy.typing.NDArray[numpy.float64]: ...
def semantic_entropy(
    log_probs: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    classes: typing.Annotated[numpy.typing.ArrayLike, numpy.uint64],
) -> float: ...
def sequence_surprisal(
    token_log_probs: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], normalize: bool
) -> float: ...
def spearman(
    x: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    y: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
) -> float: ...
def sufficiency_test(
    x: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    y: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    total: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    groups: typing.Annotated[numpy.typing.ArrayLike, numpy.uint64] | None,
) -> tuple[float, float, float, float, float, int]: ...
def trend_test(
    x: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    y: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    groups: typing.Annotated[numpy.typing.ArrayLike, numpy.uint64] | None,
    options: MonotonicityOptions,
) -> tuple[float, float, float, numpy.typing.NDArray[numpy.float64]]: ...
def uncertainty_from_logits_f32(
    logits: numpy.typing.NDArray[numpy.float32],
    index: str,
    options: UncertaintyOptions,
    threads: typing.SupportsInt | typing.SupportsIndex,
) -> numpy.typing.NDArray[numpy.float64]: ...
def uncertainty_from_logits_f64(
    logits: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    index: str,
    options: UncertaintyOptions,
    threads: typing.SupportsInt | typing.SupportsIndex,
) -> numpy.typing.NDArray[numpy.float64]: ...
def uncertainty_from_probs(
    probs: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    index: str,
    options: UncertaintyOptions,
    threads: typing.SupportsInt | typing.SupportsIndex,
) -> numpy.typing.NDArray[numpy.float64]: ...
def uncertainty_indices() -> list[tuple[str, str, float, bool, bool]]: ...
def violation_test(
    x: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    y: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    groups: typing.Annotated[numpy.typing.ArrayLike, numpy.uint64] | None,
    options: MonotonicityOptions,
) -> tuple[
    float,
    float,
    numpy.typing.NDArray[numpy.float64],
    numpy.typing.NDArray[numpy.float64],
    numpy.typing.NDArray[numpy.float64],
    numpy.typing.NDArray[numpy.float64],
    int,
]: ...
