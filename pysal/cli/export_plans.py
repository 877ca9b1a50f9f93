"""`pysal export --format tensorrt`: a folder of plans, ready for production."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from pysal.cli.console import emit
from pysal.errors import OptionError
from pysal.prepared import GRADIENT_KEY, INPUT, PREPROCESS_KEY
from pysal.preprocess import Preprocess


def export_plans(
    model: Path,
    out: Path,
    rules: str,
    lowering: str | None,
    taps: Sequence[str],
    record: Preprocess | None,
    *,
    precision: str | None,
    batch: str | None,
    capability: Sequence[str] | None,
    workspace: int | None,
    flavour: str | None,
    cache: Path | None,
) -> set[str]:
    """Build the forward and the gradient plan of a model, and write their folder.

    Returns
    -------
    set of str
        Names of the records that the folder carries.

    Raises
    ------
    OptionError, CapabilityError, MissingDependencyError
        If an option is wrong or TensorRT is not there; before anything is built.
    InputError, ModelFormatError, UnsupportedOpError
        If the model cannot be used, or the folder not be written.
    """
    from pysal.backends import tensorrt_options as options
    from pysal.backends.cuda_memory import CudaMemory
    from pysal.backends.tensorrt_cache import PlanCache, default_cache
    from pysal.backends.tensorrt_folder import check_target, write_folder
    from pysal.backends.tensorrt_library import find_library
    from pysal.backends.tensorrt_plans import LOWERING, OnnxPlans, PlanMaker

    if lowering not in (None, LOWERING):
        raise OptionError(f'--lowering is "{lowering}"; plans are built from "{LOWERING}"')
    chosen = options.PlanOptions(
        precision or "fp32",
        options.parse_batch(batch or "20"),
        options.parse_capabilities(capability or ()),
        workspace * 2**20 if workspace is not None else None,
    )
    check_target(out)
    library = find_library(flavour)
    gpu = ""
    if library.is_rtx:
        chosen = chosen.with_targets()
    chosen.check(library)
    if not library.is_rtx:  # builds by timing on the GPU, which is worth keeping
        gpu, cache = CudaMemory("cuda", "tensorrt").label, cache or default_cache()
    kept = PlanCache(cache) if cache else None
    plans = OnnxPlans(model, None, PlanMaker(library, chosen, gpu, kept))
    metadata = _records(plans.metadata, rules, LOWERING, record)
    built, begun = {}, time.perf_counter()
    built["gradient"] = plans.gradient(rules, INPUT)  # refuses more than the other one
    built["forward"] = plans.forward(taps)
    seconds = time.perf_counter() - begun
    write_folder(out, built, library=library, options=chosen, gpu=gpu, metadata=metadata)
    for name, plan in built.items():
        emit(f"{out / name}.plan: {len(plan.data) / 2**20:.1f} MiB")
    target = ", ".join(chosen.capabilities) or gpu
    emit(f"{library.label}, {chosen.precision}, for {target}: built in {seconds:.1f} s")
    return set(metadata)


def _records(
    own: Mapping[str, str], rules: str, lowering: str, record: Preprocess | None
) -> dict[str, str]:
    """The records of a model, and how its gradient and its inputs are made."""
    made = {**own, GRADIENT_KEY: json.dumps({"rules": rules, "lowering": lowering})}
    if record is not None:
        made[PREPROCESS_KEY] = json.dumps(record.to_dict())
    return made
