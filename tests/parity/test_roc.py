"""Areas under ROC curves against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest

from pysal.studies.roc import roc_auc

RNG = np.random.default_rng(6)


def test_auc_is_that_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    scores, members = np.round(RNG.normal(size=(2, 50)), 1), RNG.random((2, 50)) > 0.5
    theirs = [metrics.roc_auc_score(m, s) for s, m in zip(scores, members, strict=True)]
    np.testing.assert_allclose(roc_auc(scores, members), theirs)
