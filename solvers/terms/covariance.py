"""Covariance of returns for the general program: a matrix, one matrix a date, or a factor model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocopt.errors import InputError, LabelError, ShapeError, SpecificationError, plain
from allocopt.labels import PerSleeve, per_sleeve
from allocopt.solvers.base import FloatArray

#: Eigenvalues down to minus this times the largest are rounding of a semidefinite matrix.
ROUNDING = 1e-10

CovarianceLike = npt.NDArray[np.float64] | pd.DataFrame


@dataclass(frozen=True, eq=False)
class FactorCovariance:
    """Covariance ``X F X' + diag(s)`` of a factor model, kept in its parts, which is faster for many sleeves.

    Parameters
    ----------
    loadings : array (n, k) or DataFrame (sleeves x factors)
        ``X``: exposure of each sleeve to each factor.
    factor_covariance : array (k, k) or DataFrame (factors x factors)
        ``F``: symmetric, positive semidefinite, decimal variance of the chosen period (per day, per year).
    idiosyncratic_variance : float, or one per sleeve
        ``s``: at least 0, decimal variance of the same period.

    Raises
    ------
    ShapeError, LabelError, InputError, SpecificationError
        For parts that do not fit together, are not finite, or are not semidefinite (with the smallest eigenvalue).

    References
    ----------
    R. C. Grinold and R. N. Kahn, "Active Portfolio Management", 2nd ed. (2000), chapter 3.

    Examples
    --------
    >>> import numpy as np
    >>> model = FactorCovariance(np.array([[1.0], [0.5]]), np.array([[0.04]]), 0.01)
    >>> model.matrix(2)
    array([[0.05, 0.02],
           [0.02, 0.02]])
    """

    loadings: CovarianceLike
    factor_covariance: CovarianceLike
    idiosyncratic_variance: PerSleeve

    def __post_init__(self) -> None:
        loadings, factors = np.asarray(self.loadings, np.float64), np.asarray(self.factor_covariance, np.float64)
        if loadings.ndim != 2 or loadings.shape[1] == 0 or factors.shape != (loadings.shape[1], loadings.shape[1]):
            raise ShapeError(
                "loadings and factor covariance do not fit together",
                value=(loadings.shape, factors.shape),
                remedy="give n x k loadings and a k x k covariance",
            )
        if (
            isinstance(self.loadings, pd.DataFrame)
            and isinstance(self.factor_covariance, pd.DataFrame)
            and not (
                self.loadings.columns.equals(self.factor_covariance.columns)
                and self.loadings.columns.equals(self.factor_covariance.index)
            )
        ):
            raise LabelError("factors of the loadings and of their covariance differ", remedy="use the same order")
        if not np.isfinite(loadings).all():
            raise InputError("a loading is not finite", remedy="fill or leave out the sleeve")
        root(factors, "factor covariance")

    def parts(self, n: int, sleeves: pd.Index | None) -> tuple[FloatArray, FloatArray]:
        """``(X F**0.5 (n x k), s (n,))`` in the order of the sleeves."""
        loadings = aligned_rows(self.loadings, n, sleeves, "loadings")
        variance = per_sleeve(self.idiosyncratic_variance, n, sleeves, "idiosyncratic variance")
        if not (np.isfinite(variance) & (variance >= 0.0)).all():
            bad = float(variance[~(np.isfinite(variance) & (variance >= 0.0))][0])
            raise InputError("idiosyncratic variance is not a number of at least 0", value=bad, remedy="check units")
        return loadings @ root(np.asarray(self.factor_covariance, np.float64), "factor covariance"), variance

    def matrix(self, n: int, sleeves: pd.Index | None = None) -> FloatArray:
        """Give the n x n covariance."""
        factor, variance = self.parts(n, sleeves)
        full: FloatArray = factor @ factor.T + np.diag(variance)
        return full


def root(matrix: FloatArray, what: str) -> FloatArray:
    """``R`` with ``R R' = matrix``; raises unless the matrix is finite, symmetric and positive semidefinite."""
    if not np.isfinite(matrix).all():
        row, column = np.argwhere(~np.isfinite(matrix))[0].tolist()
        raise InputError(
            f"{what} is not finite", where=f"row {row}, column {column}", remedy="estimate it on complete returns"
        )
    scale = float(np.abs(matrix).max(initial=0.0))
    asymmetry = float(np.abs(matrix - matrix.T).max(initial=0.0))
    if asymmetry > 1e-8 * scale:
        raise SpecificationError(f"{what} is not symmetric, by as much as", value=asymmetry, remedy="use (C + C') / 2")
    values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
    if values[0] < -ROUNDING * max(values[-1], 0.0) or (values[-1] <= 0.0 and values[0] < 0.0):
        raise SpecificationError(
            f"{what} is not positive semidefinite, its smallest eigenvalue is",
            value=float(values[0]),
            remedy="shrink it, or set negative eigenvalues to zero",
        )
    found: FloatArray = vectors * np.sqrt(np.maximum(values, 0.0))
    return found


def roots(
    covariance: CovarianceLike, n: int, dates: pd.Index | None, count: int, sleeves: pd.Index | None
) -> FloatArray:
    """Matrix roots (1 or ``count``, n, n) of one covariance for all dates, or of one a date.

    One matrix is an (n, n) array or DataFrame; one a date a (dates, n, n) array, or a DataFrame whose rows are
    (date, sleeve), as ``returns.rolling(60).cov()`` gives.
    """
    if isinstance(covariance, pd.DataFrame) and isinstance(covariance.index, pd.MultiIndex):
        matrices = _by_date(covariance, dates, sleeves)
    elif isinstance(covariance, pd.DataFrame):
        rows = aligned_rows(covariance, n, sleeves, "covariance")
        matrices = aligned_rows(pd.DataFrame(rows.T, index=covariance.columns), n, sleeves, "covariance").T[None]
    else:
        array = np.asarray(covariance, np.float64)
        matrices = array[None] if array.ndim == 2 else array
    if matrices.shape[1:] != (n, n) or matrices.shape[0] not in (1, count):
        raise ShapeError(
            "covariance does not fit the sleeves (or the dates)",
            value=matrices.shape,
            remedy=f"give {n} x {n}, or one such matrix for each of the {count} dates",
        )
    return np.stack([root(matrix, _named(i, len(matrices), dates)) for i, matrix in enumerate(matrices)])


def _named(i: int, count: int, dates: pd.Index | None) -> str:
    return "covariance" if count == 1 else f"covariance of {i if dates is None else plain(dates[i])}"


def _by_date(frame: pd.DataFrame, dates: pd.Index | None, sleeves: pd.Index | None) -> FloatArray:
    if dates is None or sleeves is None:
        raise LabelError("a covariance with dates needs a desirability with dates", remedy="pass a DataFrame")
    found = []
    known = frame.index.get_level_values(0)
    for date in dates:
        if date not in known:
            raise LabelError("covariance has no matrix for a date", value=plain(date), remedy="give one for each date")
        matrix = frame.loc[date]
        rows = aligned_rows(matrix, len(sleeves), sleeves, "covariance")
        found.append(aligned_rows(pd.DataFrame(rows.T, index=matrix.columns), len(sleeves), sleeves, "covariance").T)
    return np.stack(found)


def aligned_rows(table: CovarianceLike, n: int, sleeves: pd.Index | None, what: str) -> FloatArray:
    """Rows of a table in the order of the sleeves: by label for a DataFrame, as they are for an array."""
    if isinstance(table, pd.DataFrame) and sleeves is not None:
        if not table.index.is_unique:
            raise LabelError(f"{what} has a sleeve twice", remedy="keep one row a sleeve")
        lacking = [s for s in sleeves if s not in table.index]
        if lacking:
            raise LabelError(f"{what} has no row for a sleeve", value=plain(lacking[0]), remedy="give all sleeves")
        return np.asarray(table.reindex(sleeves), np.float64)
    array = np.asarray(table, np.float64)
    if array.ndim != 2 or array.shape[0] != n:
        raise ShapeError(f"{what} does not have one row a sleeve", value=array.shape, remedy=f"give {n} rows")
    return array
