"""What is there: the card, the driver, the compiler and the packages; and the card's two ceilings.

The ceilings are a large copy on the device, counting bytes read and written, and a large matrix
product per precision: what moves bytes is read against the one, networks against the other.
"""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import torch
from timing import environment

from device.clock import copy_bandwidth, matmul_rate
from device.setting import Setting, begin, use_tf32

QUERY = (
    "name,driver_version,memory.total,compute_cap,clocks.sm,clocks.mem,power.limit,temperature.gpu"
)
PRODUCTS = {
    "fp32": (torch.float32, False),
    "tf32": (torch.float32, True),
    "bf16": (torch.bfloat16, False),
    "fp16": (torch.float16, False),
}


def output(*command: str) -> str:
    """What a command prints, or an empty string where it cannot run."""
    if shutil.which(command[0]) is None:
        return ""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def card(setting: Setting) -> dict[str, Any]:
    """The card as its driver and PyTorch describe it."""
    if setting.dry:
        return {"name": "none: dry run on the CPU"}
    fields = (
        part.strip()
        for part in output("nvidia-smi", f"--query-gpu={QUERY}", "--format=csv,noheader").split(",")
    )
    found = dict(zip(QUERY.split(","), fields, strict=False))
    properties = torch.cuda.get_device_properties(setting.device)
    return {
        **found,
        "name": properties.name,
        "capability": f"{properties.major}.{properties.minor}",
        "multiprocessors": properties.multi_processor_count,
        "memory_bytes": properties.total_memory,
        "cache_bytes": properties.L2_cache_size,
    }


def software() -> dict[str, Any]:
    """Versions that decide speed."""
    compiler = output("nvcc", "--version").splitlines()
    return {
        **environment(),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if torch.backends.cudnn.is_available() else None,
        "nvcc": compiler[-1] if compiler else None,
    }


def ceilings(setting: Setting) -> dict[str, Any]:
    """Bytes per second of a copy; operations per second of a product, per precision."""
    num_bytes, side = setting.pick((2**32, 8192), (2**22, 128))
    timing, rate = copy_bandwidth(setting.device, num_bytes, setting.pick(15, 2))
    products = {}
    for name, (dtype, tf32) in PRODUCTS.items():
        use_tf32(tf32)
        products[name] = matmul_rate(setting.device, side, dtype, setting.pick(5, 1))
    return {"copy_bytes": num_bytes, "copy": timing, "copy_per_s": rate, "flops_per_s": products}


def main() -> None:
    setting = begin("machine", __doc__)
    setting.attempt("card", lambda: card(setting))
    setting.attempt("software", software)
    setting.attempt("ceilings", lambda: ceilings(setting))
    setting.end()


if __name__ == "__main__":
    main()
