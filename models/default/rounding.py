# SPDX-License-Identifier: LGPL-2.1-or-later
"""A float matrix as int8 with a scale per row, w ≈ scale · q with q in −127 … 127, so that its products change least.

Between the inputs that the float matrix sees and those that come out of matrices rounded before it there is a difference, too.
So a matrix is not rounded as it is, but as it should be for what it gets (fit ()), and then with compensation: what rounding one
column changes in the products, the other columns make good as far as they can (round_compensated ())."""
import numpy as np

DAMPING = 0.01  # of the mean square of an input: how much a column that hardly occurs is still held to its float value
TRUST = 1  # the same for fit (), which has fewer independent rows than it seems: neighbours in a picture, words of a text
BLOCK = 128  # columns; those behind them are compensated once for all of them
SWEEPS = 4  # over all columns, once all are rounded


def to_integers(weight, scale):
    return np.clip(np.rint(weight / scale), -127, 127)


def find_scales(weight, importance=1.0):
    """[rows, columns], what an error in each column counts → [rows].

    A few large numbers in a row need not decide its scale: of 48 scales, from the one that clips nothing down to half of it, the
    one with the least squared error is taken, and then the best scale for the integers it gave."""
    top = np.abs(weight).max(1) / 127
    top[top == 0] = 1
    best, scale = np.full(len(weight), np.inf), top.copy()
    for ratio in np.linspace(1, 0.5, 48):
        s = top * ratio
        q = to_integers(weight, s[:, None])
        energy = (q * q * importance).sum(1)
        s = np.where(energy > 0, (weight * q * importance).sum(1) / np.where(energy > 0, energy, 1), s)
        error = ((weight - q * s[:, None]) ** 2 * importance).sum(1)
        better = error < best
        best[better], scale[better] = error[better], s[better]
    return scale.astype(np.float32).astype(np.float64)


def round_nearest(weight):
    """[rows, columns] → int8 of the same shape, scales [rows]."""
    w = weight.astype(np.float64)
    scale = find_scales(w)
    return to_integers(w, scale[:, None]).astype(np.int8), scale.astype(np.float32)


def round_compensated(weight, gram):
    """[rows, columns], damped inputsᵀ · inputs → the same as round_nearest ().

    First column by column, those of the strongest inputs first (GPTQ, Frantar et al. 2022): how much the columns that are still
    float must change, the Cholesky factor of the inverse of gram tells. Then in sweeps: each integer becomes what is best while all
    others stay, and each scale what is best for its integers."""
    order = np.argsort(-gram.diagonal(), kind="stable")
    factor = np.linalg.cholesky(np.linalg.inv(gram[np.ix_(order, order)])).T
    scale = find_scales(weight, gram.diagonal())
    w = weight[:, order]
    q = np.empty(w.shape)
    for first in range(0, w.shape[1], BLOCK):
        last = min(first + BLOCK, w.shape[1])
        error = np.empty((len(w), last - first))
        for j in range(first, last):
            q[:, order[j]] = to_integers(w[:, j], scale)
            error[:, j - first] = (w[:, j] - q[:, order[j]] * scale) / factor[j, j]
            w[:, j:last] -= np.outer(error[:, j - first], factor[j, j:last])
        w[:, last:] -= error @ factor[first:last, last:]

    for _ in range(SWEEPS):
        image = q @ gram
        energy = (image * q).sum(1)
        scale = np.where(energy > 0, ((weight @ gram) * q).sum(1) / np.where(energy > 0, energy, 1), scale)
        scale = scale.astype(np.float32).astype(np.float64)
        rest = weight @ gram - scale[:, None] * image
        for j in order:
            better = to_integers(rest[:, j] / gram[j, j] + scale * q[:, j], scale)
            rows = np.flatnonzero(better != q[:, j])
            if len(rows):
                step = (better - q[:, j])[rows] * scale[rows]
                rest[rows] -= step[:, None] * gram[j]
                q[rows, j] = better[rows]
    return q.astype(np.int8), scale.astype(np.float32)


class Weights:
    """The float weights and those that take their place, on which the towers run side by side: x[0] is a value of the float model,
    x[1] the same of the rounded one. A matrix is fitted and rounded as soon as its inputs are there; only inputs of `fitted` rows
    are for this, the others tell how well it generalises."""

    def __init__(self, tensors, is_int8):
        self.float = {name: t.astype(np.float32) for name, t in tensors.items()}
        self.stored = {name: t if t.ndim < 2 else t.astype(np.float16) for name, t in tensors.items()}
        self.is_int8 = is_int8
        self.fitted = slice(None)

    def __contains__(self, name):
        return name in self.float

    def pair(self, name):
        """→ [2, …]: float, rounded"""
        scale = self.stored.get(name + ".scale")
        rounded = self.stored[name].astype(np.float32)
        if scale is not None:
            rounded *= scale.reshape(-1, *[1] * (rounded.ndim - 1))
        return np.stack([self.float[name], rounded])

    def rows(self, name, ids):
        """→ [2, n, columns]"""
        if self.is_int8(name):
            self.stored[name], self.stored[name + ".scale"] = round_nearest(self.float[name])
        return self.pair(name)[:, ids]

    def product(self, name, x, offset=None, sign=1, short=None):
        """x [2, n, columns] → x · wᵀ [2, n, rows]. offset names the vector that is then added (sign 1) or subtracted (−1), short
        [n, rows] is what the rounded sum will lack that the products are added to."""
        self.fit(name, x, offset, sign, short)
        w = self.pair(name).reshape(2, len(self.float[name]), -1)
        return np.stack([a @ b.T for a, b in zip(x, w)])

    def fit(self, name, x, offset, sign, short):
        """The matrix, and a constant, that bring the rounded tower nearest to the float one here: least squares, held to the float
        matrix by DAMPING. Then the matrix is rounded, and the constant makes good what that changed in the mean."""
        shape = self.float[name].shape
        w = self.float[name].reshape(shape[0], -1)
        missing = (x[0] - x[1])[self.fitted] @ w.T
        if short is not None:
            missing += short[self.fitted]
        inputs = x[1][self.fitted]
        middle, constant = np.zeros(w.shape[1]), np.zeros(len(w))
        if offset:
            middle, constant = inputs.mean(0), missing.mean(0)
            inputs, missing = inputs - middle, missing - constant
        gram = (inputs.T @ inputs).astype(np.float64) / len(inputs)
        unit = gram.diagonal().mean() * np.eye(len(gram))
        wanted = w + np.linalg.solve(gram + TRUST * unit, (inputs.T @ missing).astype(np.float64) / len(inputs)).T
        gram += DAMPING * unit
        if self.is_int8(name):
            q, scale = round_compensated(wanted, gram)
            self.stored[name], self.stored[name + ".scale"] = q.reshape(shape), scale
            rounded = q * scale[:, None].astype(np.float64)
        else:
            self.stored[name] = wanted.astype(np.float16).reshape(shape)
            rounded = self.stored[name].astype(np.float64).reshape(w.shape)
        if offset:
            constant = constant + (w - rounded) @ middle
            self.stored[offset] = (self.float[offset] + sign * constant).astype(np.float32)
