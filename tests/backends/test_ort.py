"""ONNX Runtime on the CPU beyond the contract: number of threads, memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pooled import every_result, write_network

from pysal.backends.ort import OrtClassifier


@pytest.fixture(scope="module")
def pair(path: Path) -> tuple[OrtClassifier, OrtClassifier]:
    return OrtClassifier(path, threads=1), OrtClassifier(path, threads=2)


def test_one_and_two_threads_give_the_same_bits(pair: tuple[OrtClassifier, OrtClassifier]) -> None:
    for rows in ([0], [1, 4], slice(None)):
        one, two = (every_result(net, rows) for net in pair)
        for name in one:
            np.testing.assert_array_equal(one[name], two[name], err_msg=name)


MEMORY = """
import sys
import numpy as np
from pysal.backends.ort import OrtClassifier
from pysal.types import Target
net = OrtClassifier(sys.argv[1], threads=2)
x = np.zeros((1, 3, 20, 20), np.float32)
target = Target(np.zeros(1, int), "logit")
def peak(m):
    masks = np.ones((1, m, 4, 4), np.float32)
    nodes = np.linspace(0, 1, m, dtype=np.float32)
    net.score_masked(x, x, masks, target)
    net.path_grad(x, x, masks[:, 0], target, nodes=nodes, weights=nodes)
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
few = peak(4)
peak(8)
few = peak(16)
print(peak(512) - few)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux' own counters")
def test_memory_is_set_by_threads_and_not_by_images(tmp_path: Path) -> None:
    file = write_network(tmp_path / "wide.onnx", width=256)  # 0.4 MB per layer and image
    command = [sys.executable, "-c", MEMORY, str(file)]
    kilobytes = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert kilobytes < 20_000  # all 512 at once would be hundreds of megabytes
