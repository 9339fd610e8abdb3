"""Bootstrap estimates for xarray and ArviZ; both are optional."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from modalconflict.errors import InvalidArgument

if TYPE_CHECKING:
    from modalconflict.core.balance import BalancePoint


def balance_draws(point: BalancePoint) -> Any:
    """A balance point's bootstrap estimates as an ``xarray.Dataset``.

    The dimensions are ArviZ's (chain, draw), so that its plots and summaries take the dataset as it stands. The draws are of a
    bootstrap, not of a posterior: they say how the estimate scatters, and have one chain.

    Parameters
    ----------
    point
        From ``balance_point(…, method="logistic")``.

    Returns
    -------
    xarray.Dataset
        ``balance_point``, shape (1, replicates), in units of the relative uncertainty; ±inf where a replicate has no crossing.

    Raises
    ------
    InvalidArgument
        If the point holds no replicates.
    ModuleNotFoundError
        If xarray is not installed.

    Examples
    --------
    >>> import numpy as np, modalconflict as mc
    >>> rng = np.random.default_rng(0)
    >>> x = rng.uniform(-2, 2, 500)
    >>> point = mc.balance_point(x, rng.random(500) < 1 / (1 + np.exp(x / 0.4)), method="logistic", replicates=100)
    >>> dict(point.to_xarray().sizes)
    {'chain': 1, 'draw': 100}
    """
    try:
        import xarray
    except ModuleNotFoundError:
        raise ModuleNotFoundError("xarray is not installed; pip install 'modalconflict[xarray]'") from None
    draws = np.asarray(point.replicate_estimates, dtype=np.float64)
    if draws.size == 0:
        raise InvalidArgument(
            "this balance point holds no bootstrap estimates; make it by mc.balance_point(…, method='logistic', "
            "interval='percentile')"
        )
    described = {name: value for name, value in point.to_dict().items() if value is not None}
    described["flags"] = ", ".join(point.flags)
    return xarray.Dataset(
        {"balance_point": (("chain", "draw"), draws[None], {"units": "relative uncertainty"})},
        coords={"chain": [0], "draw": np.arange(draws.size)},
        attrs={
            "inference_library": "modalconflict",
            "kind": "bootstrap over groups" if point.groups else "bootstrap",
            **described,
        },
    )
