"""Peak memory of RISE against the number of masks: a process each, on a real network.

    python benchmarks/bench_memory.py [--samples 500,2000,8000]

Beside it what arrays of all masks, and of all images under them, would take.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from timing import environment, write_json

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("PYSAL_DATA", ROOT.parent / "shared" / "data"))
RESULTS = Path(__file__).parent / "results" / "memory.json"
NETWORKS = ("squeezenet1.1", "mobilenet_v2")
SIDE = 224

PROGRAM = """
import resource, sys
import pysal
file, photo, samples = sys.argv[1], sys.argv[2], int(sys.argv[3])
pysal.explain(file, photo, method="rise", samples=samples)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def peak(network: str, samples: int) -> int:
    """Largest resident size of a process that explains one photo, in bytes."""
    photo = sorted((DATA / "photos").glob("*.jpg"))[0]
    file = DATA / "models" / f"{network}.onnx"
    command = [sys.executable, "-c", PROGRAM, str(file), str(photo), str(samples)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--samples", default="500,2000,8000")
    options = parser.parse_args()
    rows = []
    for network in NETWORKS:
        for samples in map(int, options.samples.split(",")):
            row = {
                "network": network,
                "samples": samples,
                "peak_bytes": peak(network, samples),
                "all_masks_bytes": 4 * samples * SIDE**2,
                "all_images_bytes": 3 * 4 * samples * SIDE**2,
            }
            print({k: f"{v / 1e6:.0f} MB" if k.endswith("bytes") else v for k, v in row.items()})
            rows.append(row)
    write_json(RESULTS, {"environment": environment(), "rows": rows})


if __name__ == "__main__":
    main()
