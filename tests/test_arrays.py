"""Arrays told apart by their type: numpy and torch here, CuPy where a GPU is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pysal import arrays

A = np.random.default_rng(0).normal(size=(4, 3, 5)).astype(np.float32)
B = np.random.default_rng(1).normal(size=(4, 3, 5)).astype(np.float32)
BOTH = pytest.mark.parametrize("make", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])


def test_namespaces() -> None:
    assert arrays.namespace(A) is np
    assert arrays.namespace(torch.ones(1)) is torch
    assert arrays.is_host(A)
    assert not arrays.is_host(torch.ones(1))


@BOTH
def test_a_round_trip_changes_nothing(make) -> None:
    there = make(A)
    np.testing.assert_array_equal(arrays.to_host(there), A)
    back = arrays.to_like(B, there)
    assert type(back) is type(there)
    np.testing.assert_array_equal(arrays.to_host(back), B)
    assert arrays.to_host(torch.from_numpy(A).requires_grad_()).dtype == np.float32


@BOTH
def test_empty_is_of_the_same_kind(make) -> None:
    empty = arrays.empty_like(make(A), (2, 7))
    assert type(empty) is type(make(A))
    assert tuple(empty.shape) == (2, 7)
    assert arrays.to_host(empty).dtype == np.float32


@BOTH
def test_all_rows_in_order_are_the_array_itself(make) -> None:
    there = make(A)
    assert arrays.take(there, np.arange(4)) is there
    for rows in ([3, 0], [1, 0, 2, 3], []):
        found = arrays.take(there, np.array(rows, np.intp))
        np.testing.assert_array_equal(arrays.to_host(found), A[np.array(rows, np.intp)])


@BOTH
def test_inner_products_are_taken_in_double_precision(make) -> None:
    found = arrays.to_host(arrays.dot(make(A), make(B)))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, (A.astype(float) * B).sum(axis=(1, 2)), rtol=1e-6)
