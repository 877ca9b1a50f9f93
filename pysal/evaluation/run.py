"""`pysal.evaluate`: methods x metrics x images."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

import pysal
from pysal.chunks import BATCH_SIZE, check_batch_size, warn_assumed
from pysal.errors import OptionError
from pysal.evaluation.folder import Folder
from pysal.evaluation.images import as_items, digest
from pysal.evaluation.on_ray import Cluster
from pysal.evaluation.opening import Opening, engine_of
from pysal.evaluation.plan import Options, Plan, Unit, make_plan
from pysal.evaluation.report import write_report
from pysal.evaluation.result import Evaluation
from pysal.evaluation.table import require_pyarrow
from pysal.evaluation.worker import Worker
from pysal.progress import Progress, scaled

if TYPE_CHECKING:
    from pysal.classifier import Classifier
    from pysal.preprocess import Preprocess
    from pysal.types import ModelInfo

FORMAT = 1
"""Number of the layout of folder and table; a folder of another layout is refused."""


def evaluate(
    model: str | Path | Classifier,
    images: Any,
    methods: str | Sequence[str],
    metrics: str | Sequence[str],
    out: str | Path,
    *,
    target: str | int | ArrayLike | None = None,
    options: Options | None = None,
    metric_options: Options | None = None,
    seed: int = 0,
    limit: int | None = None,
    batch_size: int = BATCH_SIZE,
    engine: str = "auto",
    device: str = "auto",
    precision: str | None = None,
    threads: int | None = None,
    preprocess: Preprocess | Mapping[str, Any] | str | Path | None = None,
    resume: bool = True,
    figures: bool = True,
    ray: bool = False,
    ray_address: str | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Evaluate methods by metrics on images; the result is a table with a row for each of each.

    The run may be interrupted at any moment, also killed: called again, it goes on where it was,
    and the finished table is the one of a run without interruption, but for the seconds.

    Parameters
    ----------
    model : str, Path, torch.nn.Module or Classifier
    images : path, or sequence of paths, PIL images, arrays or samples
        Photos, or a data set: what `pysal.datasets.open_dataset` gives, or a path that it opens.
        Metrics that compare with the truth need samples that know it.
    methods, metrics : str or sequence of str
        Names of `pysal.methods()` and `pysal.metrics()`. With a label, "igos:coarse", one may be
        there several times, each with options of its own.
    out : path
        Folder of the results.
    target : {"top", "labels"}, int or array_like of shape (N,), optional
        Class that is explained: the top one (default), the one of the data set, or a number.
    options, metric_options : mapping of str to mapping, optional
        Options per method and per metric, JSON values: {"igos:coarse": {"size": 7}}.
    seed : int
        Of the run. The draws for an image depend on it and on the number of the image only.
    limit : int, optional
        Take only the first images.
    batch_size : int
        Images that are explained together, and done or not done together when a run is interrupted.
        Bounds the memory; changes no result but the passes, which are means over these images.
    engine, device, precision, threads, preprocess
        As for `pysal.explain`.
    resume : bool
        Keep what a run with the same settings has left in `out`. False: start afresh.
    figures : bool
        Draw them, with matplotlib (extra "viz").
    ray : bool
        Work on a Ray cluster (extra "ray"), one worker per device. Model and images must be
        readable there under the same paths; the table is written here.
    ray_address : str, optional
        Of the cluster; "auto" for the one that runs here. Default: a cluster that Ray knows of in
        this process, else one of its own on this machine.
    workers : int, optional
        Of Ray. Default: one per GPU, or without any one per `threads` cores.
    progress : callable, optional
        Called as progress(done, total), in images times methods.

    Returns
    -------
    Evaluation

    Raises
    ------
    OptionError
        If a name or option is wrong, a metric needs what is not known of the images, or `out` holds
        a run with other settings.
    InputError
        If there are no images, or another run is at work in `out`.
    CapabilityError, ModelFormatError, UnsupportedOpError
        If the model cannot do what a method needs, or Ray's workers are lost again and again.
    MissingDependencyError
        If pyarrow, or Ray where it is asked for, is not installed.

    Warns
    -----
    UserWarning
        At the end, what methods and metrics have warned of, alike ones together.

    Notes
    -----
    Cost: per image and method those of the method, one forward where the target is the top class,
    and those of the metrics; maps are computed once for all metrics. An image that cannot be read,
    and whatever a method or metric raises on an image, become the error of their rows.
    """
    require_pyarrow()
    if not ray and (ray_address is not None or workers is not None):
        raise OptionError("workers and the address of a cluster are for Ray; give ray=True (--ray)")
    check_batch_size(batch_size)
    items = as_items(images, limit)
    plan = make_plan(items, methods, metrics, target, seed, options, metric_options)
    opening = Opening(
        model,
        {
            **{"engine": engine, "device": device, "precision": precision, "threads": threads},
            "preprocess": preprocess,
        },
    )
    cluster = Cluster(ray_address, workers, threads, device) if ray else None
    folder = Folder(out)
    classifier = opening.open(plan)
    if classifier is not model:
        warn_assumed(classifier)
    try:
        with folder.held():
            folder.begin(_settings(plan, classifier, precision), resume)
            worker = Worker(plan, classifier, folder.hash)
            _work(plan, folder, batch_size, worker, opening, cluster, progress)
            folder.finish(list(plan.methods), list(plan.metrics))
            result = write_report(folder, plan, worker, figures)
    finally:
        opening.close(classifier)
    for warning in result.warnings:
        times = f" ({warning['count']} times)" if warning["count"] > 1 else ""
        warnings.warn(f"{warning['text']}{times}", UserWarning, stacklevel=2)
    return result


def _work(
    plan: Plan,
    folder: Folder,
    batch_size: int,
    worker: Worker,
    opening: Opening,
    cluster: Cluster | None,
    progress: Progress | None,
) -> None:
    """Do all units that are left, here or on a cluster."""
    known = folder.done()
    units = plan.units(known, batch_size)
    total = len(plan.items) * len(plan.methods)
    done = total - sum(len(unit.indices) for unit in units)
    if progress is not None:
        progress(done, total)

    def save(unit: Unit, part: bytes) -> None:
        nonlocal done
        folder.save(unit, part)
        done += len(unit.indices)
        if progress is not None:
            progress(done, total)

    if cluster is not None and units:
        cluster.run(plan, opening, folder.hash, units, save)
        return
    for unit in units:
        save(unit, worker.run(unit, scaled(progress, done, len(unit.indices), total)))


def _settings(plan: Plan, classifier: Classifier, precision: str | None) -> dict[str, Any]:
    """Everything that the table depends on, as JSON values."""
    info = classifier.info
    classes = list(plan.target) if isinstance(plan.target, tuple) else plan.target
    settings = {
        "format": FORMAT,
        "model": {"name": info.name, "sha256": info.sha256},
        "engine": engine_of(info),
        "precision": precision or "fp32",
        **_checked(info),
        "preprocess": classifier.preprocess.to_dict(),
        "images": {"count": len(plan.items), "sha256": digest(plan.items)},
        "target": classes,
        "seed": plan.seed,
        "methods": plan.methods,
        "metrics": plan.metrics,
        "versions": {"pysal": pysal.__version__, "numpy": np.__version__, **info.versions},
    }
    out: dict[str, Any] = json.loads(json.dumps(settings))
    return out


def _checked(info: ModelInfo) -> dict[str, Any]:
    """How reduced precision compared with float32, where there was one."""
    return {"precision_check": dict(info.precision_check)} if info.precision_check else {}
