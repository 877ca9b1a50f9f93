"""Bilateral total variation and penalties of products: loops, finite differences, rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pysal.optim import L1, TV, BilateralTV, OfProduct, Sum, halves, stack
from pysal.resample import Resample

RNG = np.random.default_rng(0)
MASKS = RNG.uniform(0.1, 0.9, (2, 4, 5)).astype(np.float32)
IMAGE = (0.1 * RNG.normal(size=(2, 3, 9, 11))).astype(np.float32)
ROWS = np.arange(2)


def loops(mask, image, sigma):
    """One mask and image, neighbour after neighbour."""
    large = Resample("aligned", mask.shape, image.shape[1:], mask)(mask).astype(float)
    total = 0.0
    for y, x in ((1, 0), (0, 1)):
        small, big = [], []
        for i, j in np.ndindex(*mask.shape):
            if i + y < mask.shape[0] and j + x < mask.shape[1]:
                small.append((float(mask[i + y, j + x]) - float(mask[i, j])) ** 2)
        for i, j in np.ndindex(*large.shape):
            if i + y < large.shape[0] and j + x < large.shape[1]:
                edge = image[:, i + y, j + x].astype(float) - image[:, i, j]
                weight = np.exp(-(edge**2) / sigma).mean()
                big.append(weight * (large[i + y, j + x] - large[i, j]) ** 2)
        total += np.mean(small) + np.mean(big)
    return total / 2


def test_values_by_loops():
    term = BilateralTV(20.0, IMAGE, (4, 5), 0.01)
    found = term.value(MASKS[:, None], ROWS)[:, 0]
    expected = [20 * loops(MASKS[i], IMAGE[i], 0.01) for i in range(2)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_rows_choose_the_image():
    term = BilateralTV(20.0, IMAGE, (4, 5))
    both = term.value(np.stack([MASKS[1], MASKS[0]])[None], ROWS[1:])
    np.testing.assert_allclose(both[0], [20 * loops(m, IMAGE[1], 0.01) for m in MASKS[::-1]], 1e-5)


def test_edges_are_free_and_flat_images_are_not():
    hard = np.zeros((1, 1, 9, 11), np.float32)
    hard[..., 5:] = 100.0
    mask = np.zeros((1, 9, 11), np.float32)
    mask[..., 5:] = 1.0
    at_edge = BilateralTV(1.0, hard, (9, 11)).value(mask[:, None], ROWS[:1])
    flat = BilateralTV(1.0, 0 * hard, (9, 11)).value(mask[:, None], ROWS[:1])
    plain = TV(1.0).value(mask[:, None], ROWS[:1])
    np.testing.assert_allclose(at_edge, plain / 2)
    np.testing.assert_allclose(flat, plain)


@pytest.mark.parametrize("size", [(4, 5), (1, 1), (9, 11), (3, 1)])
def test_gradient_is_that_of_the_value(size):
    masks = RNG.uniform(0.1, 0.9, (2, *size)).astype(np.float32)
    step = (1e-2 * RNG.normal(size=masks.shape)).astype(np.float32)
    term = BilateralTV(20.0, IMAGE, size)
    ahead, behind = (term.value((masks + s)[:, None], ROWS)[:, 0] for s in (step, -step))
    slope = (term.grad(masks) * step).sum(axis=(1, 2))
    np.testing.assert_allclose((ahead - behind) / 2, slope, rtol=1e-3, atol=1e-5)


def test_penalty_of_a_product():
    both = stack(MASKS, MASKS[::-1].copy())
    assert both.shape == (2, 8, 5)
    np.testing.assert_array_equal(halves(both)[0], MASKS)
    penalty = Sum((L1(2.0), TV(3.0), BilateralTV(20.0, IMAGE, (4, 5))))
    joint = OfProduct(penalty)
    product = (MASKS * MASKS[::-1])[:, None]
    np.testing.assert_allclose(joint.value(both[:, None], ROWS), penalty.value(product, ROWS))
    step = (1e-2 * RNG.normal(size=both.shape)).astype(np.float32)
    ahead, behind = (joint.value((both + s)[:, None], ROWS)[:, 0] for s in (step, -step))
    slope = (joint.grad(both) * step).sum(axis=(1, 2))
    np.testing.assert_allclose((ahead - behind) / 2, slope, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("isotropic", [False, True])
@pytest.mark.parametrize("exponent", [1.5, 2.0, 3.0])
def test_reductions_and_shapes(reduction, isotropic, exponent):
    step = (1e-2 * RNG.normal(size=MASKS.shape)).astype(np.float32)
    terms = L1(2.0, reduction), TV(3.0, exponent, reduction, isotropic)
    for term in terms:
        ahead, behind = (term.value((MASKS + s)[:, None], ROWS)[:, 0] for s in (step, -step))
        slope = (term.grad(MASKS) * step).sum(axis=(1, 2))
        np.testing.assert_allclose((ahead - behind) / 2, slope, rtol=2e-2, atol=1e-4)
    total = terms[0].value(MASKS[:, None], ROWS)[:, 0]
    cells = 1 if reduction == "sum" else 20
    np.testing.assert_allclose(total, 2 * (1 - MASKS.astype(float)).sum((1, 2)) / cells, rtol=1e-6)
    down, right = np.diff(MASKS.astype(float), axis=1), np.diff(MASKS.astype(float), axis=2)
    if isotropic:
        down, right = (
            np.pad(down, ((0, 0), (0, 1), (0, 0))),
            np.pad(right, ((0, 0), (0, 0), (0, 1))),
        )
        powers = [(down**2 + right**2) ** (exponent / 2)]
    else:
        powers = [abs(d) ** exponent for d in (down, right)]
    reduce = np.mean if reduction == "mean" else np.sum
    expected = 3 * sum(reduce(p, axis=(1, 2)) for p in powers)
    np.testing.assert_allclose(terms[1].value(MASKS[:, None], ROWS)[:, 0], expected, rtol=1e-5)


def test_on_other_arrays():
    image, masks = torch.from_numpy(IMAGE), torch.from_numpy(MASKS)
    term, host = (OfProduct(BilateralTV(20.0, x, (2, 5))) for x in (image, IMAGE))
    np.testing.assert_allclose(term.grad(masks), host.grad(MASKS), rtol=1e-4, atol=1e-5)
    found = term.value(masks[:, None], ROWS)
    np.testing.assert_allclose(found, host.value(MASKS[:, None], ROWS), rtol=1e-5)
