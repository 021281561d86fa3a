"""Weighted linear least squares with what statistics say of it.

Why not statsmodels or OpenDSM: both need pandas, which pyarrow then imports into every worker. Their results are this module's tests.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from zonepulse.processors.efficiency.distributions import t_quantile, two_sided_t, upper_f

Floats = npt.NDArray[np.float64]
_TINY: Final = 1e-300


@dataclass(frozen=True, slots=True)
class Regression:
    """A fit; the first column of its matrix is the constant."""

    library: str
    coefficients: Floats
    standard_errors: Floats
    p_values: Floats
    """Two-sided, of Student's t."""
    fitted: Floats
    r2: float
    r2_adjusted: float
    f_p_value: float
    """Of all terms but the constant."""
    variance: float
    """Of a residual with weight 1."""
    covariance: Floats
    """Of the coefficients."""
    quantile: float
    """Of Student's t: a two-sided 90 % interval."""


def squares(matrix: Floats, values: Floats, weights: Floats) -> float:
    """The least weighted sum of squared residuals."""
    root = np.sqrt(weights)
    found, *_ = np.linalg.lstsq(matrix * root[:, None], values * root, rcond=None)
    return float(np.sum(weights * (values - matrix @ found) ** 2))


def regress(matrix: Floats, values: Floats, weights: Floats) -> Regression:
    """The fit. `matrix` has full column rank and more rows than columns."""
    rows, terms = matrix.shape
    root, free = np.sqrt(weights), rows - terms
    q, r = np.linalg.qr(matrix * root[:, None])
    coefficients = np.linalg.solve(r, q.T @ (values * root))
    fitted = matrix @ coefficients
    residual = float(np.sum(weights * (values - fitted) ** 2))
    total = float(np.sum(weights * (values - np.average(values, weights=weights)) ** 2))
    variance = residual / free
    inverse = np.linalg.inv(r)
    covariance = variance * inverse @ inverse.T
    errors = np.sqrt(np.diag(covariance))
    f = (total - residual) / (terms - 1) / max(variance, _TINY)
    return Regression(
        library=f"numpy {np.__version__}",
        coefficients=coefficients,
        standard_errors=errors,
        p_values=np.array([two_sided_t(float(t), free) for t in coefficients / np.maximum(errors, _TINY)]),
        fitted=fitted,
        r2=1 - residual / total,
        r2_adjusted=1 - (residual / free) / (total / (rows - 1)),
        f_p_value=upper_f(f, terms - 1, free),
        variance=variance,
        covariance=covariance,
        quantile=t_quantile(0.1, free),
    )
