"""Contributions to linear models."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .columns import Columns

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class LinearModel:
    """Coefficients (columns, outputs), intercepts (outputs,), and the means (columns,) of the training-like sample.

    A column contributes coefficient times distance from its mean; the base is the answer at the means. These are the
    exact Shapley values of the answer when columns that are not known are drawn from the sample independently of those
    that are (*interventional* expectation: Lundberg and Lee 2017, corollary 1, and `shap.LinearExplainer`'s default).
    Where fields are strongly correlated, the numbers describe the model rather than the world.
    """

    coefficients: Matrix
    intercept: Matrix
    means: Matrix

    def contributions(self, columns: Matrix, source: NDArray[np.int64], fields: int) -> Matrix:
        """(n, fields, outputs) float64; the columns of a field together."""
        parts = (columns - self.means)[:, :, None] * self.coefficients
        return np.stack([parts[:, source == field].sum(axis=1) for field in range(fields)], axis=1)

    @property
    def base(self) -> Matrix:
        """(outputs,) float64."""
        made: Matrix = self.intercept + self.means @ self.coefficients
        return made

    def problem(self, columns: Columns) -> str:
        """What is wrong with these arrays; empty when nothing is."""
        width = len(columns.source)
        fits = self.coefficients.ndim == 2 and self.coefficients.shape == (width, len(self.intercept))
        if not fits or self.means.shape != (width,):
            return "coefficients, intercepts and means do not belong together"
        if not all(np.isfinite(each).all() for each in (self.coefficients, self.intercept, self.means)):
            return "a coefficient is no number"
        return ""
