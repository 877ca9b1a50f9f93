"""Path methods once more, in float64 and one step at a time: the judges of the fast ones.

Every function takes one image (C, H, W), a gradient g(x) and, for IDGI, a score f(x).
"""

from __future__ import annotations

import itertools
import math

import numpy as np


def naive_ig(x, start, g, steps):
    """Mean gradient at steps points from 0 to 1, both included, times the way."""
    total = np.zeros(x.shape)
    for j in range(steps):
        total += g(start + j / (steps - 1) * (x - start))
    return (x - start) * total / steps


def naive_guided(x, start, g, steps, fraction, max_dist):
    """Attribution, and the points at which gradients were taken, with the last one."""
    way = x - start
    length = np.abs(way).sum()
    out, at, points = np.zeros(x.shape), start.copy(), []
    for t in range(steps):
        points.append(at.copy())
        slope = g(at)
        size = np.abs(slope)
        now = (t + 1) / steps
        low, high = max(now - max_dist, 0.0), min(now + max_dist, 1.0)
        least, most = start + low * way, start + high * way
        goal = length * (1 - (t + 1) / steps)
        gamma = math.inf
        while gamma > 1:
            before = at.copy()
            position = np.full(x.shape, high)
            position[way != 0] = (at - start)[way != 0] / way[way != 0]
            at = np.where(position < low, least, at)
            current = np.abs(at - x).sum()
            if math.isclose(current, goal, rel_tol=1e-9, abs_tol=1e-9):
                out += (at - before) * slope
                break
            size[at == most] = math.inf
            rank = math.floor(fraction * (size.size - 1))
            limit = sorted(size.ravel().tolist())[rank]
            chosen = (size <= limit) & np.isfinite(size)
            reach = np.abs(at - most)[chosen].sum()
            gamma = (current - goal) / reach if reach > 0 else math.inf
            share = min(gamma, 1)
            at[chosen] = most[chosen] if gamma > 1 else (at + share * (most - at))[chosen]
            out += (at - before) * slope
    return out, [*points, at]


def naive_blur(x, black, sigma):
    """Gaussian blur by two sums per pixel, cut at 4 deviations, black outside."""
    if sigma == 0:
        return x.copy()
    reach = int(4 * sigma + 0.5)
    weights = [math.exp(-0.5 * (k / sigma) ** 2) for k in range(-reach, reach + 1)]
    norm = sum(weights)
    out = x - black
    for axis in (1, 2):
        result = np.zeros(x.shape)
        length = x.shape[axis]
        for i in range(length):
            for k, weight in zip(range(-reach, reach + 1), weights, strict=True):
                if 0 <= i + k < length:
                    part = weight / norm * np.take(out, i + k, axis)
                    np.moveaxis(result, axis, 0)[i] += part
        out = result
    return out + black


def naive_blur_ig(x, black, g, steps, sigma_max, epsilon, root=False):
    """Attribution, and blurred images of the scales s_0 = 0 to s_steps."""
    sigmas = [i * sigma_max / steps for i in range(steps + 1)]
    if root:
        sigmas = [math.sqrt(s) for s in sigmas]
    out = np.zeros(x.shape)
    images = [naive_blur(x, black, s) for s in sigmas]
    for i in range(steps):
        slope = (naive_blur(x, black, sigmas[i] + epsilon) - images[i]) / epsilon
        out -= g(images[i]) * slope * (sigmas[i + 1] - sigmas[i])
    return out, images


def naive_idgi(points, f, g):
    """Sum over the points but the last: squared gradient, normed, times the change to the next."""
    out = np.zeros(points[0].shape)
    for here, there in itertools.pairwise(points):
        squares = g(here) ** 2
        if squares.sum() > 0:
            out += squares * (f(there) - f(here)) / squares.sum()
    return out
