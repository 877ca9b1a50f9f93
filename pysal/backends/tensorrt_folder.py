"""Folders of plans: written by `pysal export --format tensorrt`, opened without the onnx package.

manifest.json has the library, precision, batch and targets that the plans are for, the metadata of
the model (facts, preprocessing, class names), and name, hash and tensors of every plan.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pysal.backends.tensorrt_build import BuiltPlan
from pysal.backends.tensorrt_cache import describe, restore
from pysal.backends.tensorrt_library import NAMES, Library
from pysal.backends.tensorrt_options import PlanOptions
from pysal.backends.tensorrt_plans import PlanSource
from pysal.backends.whole import whole_folder
from pysal.errors import CapabilityError, InputError, ModelFormatError, OptionError
from pysal.prepared import LOGITS, MODEL_KEY, gradient_name

MANIFEST, KIND, FORMAT = "manifest.json", "pysal tensorrt plans", 1


def is_plan_folder(path: str | os.PathLike[str]) -> bool:
    """Whether there are plans of ours in a folder."""
    return os.path.isfile(os.path.join(path, MANIFEST)) and bool(_manifest(Path(path)))


def folder_flavour(path: Path) -> str | None:
    """Which library the plans of a folder are for; None where it is no folder of plans."""
    found = _manifest(path).get("library")
    return found if found in NAMES else None


def folder_facts(path: Path) -> dict[str, Any]:
    """What `pysal info` shows of a folder of plans."""
    manifest = _manifest(path)
    facts = json.loads(manifest["metadata"][MODEL_KEY])
    own = ("library", "version", "precision", "batch", "capabilities", "gpu", "workspace")
    return {
        "folder": str(path),
        "model": facts["name"],
        "sha256": facts["sha256"],
        "input_shape": tuple(facts["input_shape"]),
        "classes": facts["num_classes"],
        **{key: manifest[key] for key in own},
        "plans": {name: record["bytes"] for name, record in manifest["plans"].items()},
        "metadata": sorted(manifest["metadata"]),
    }


def check_target(path: Path) -> None:
    """Refuse to write where something else is.

    Raises
    ------
    OptionError
        If `path` is a file, or a folder that is neither empty nor one of plans.
    InputError
        If the folder that it goes into does not exist or cannot be written.
    """
    if path.is_file():
        raise OptionError(f"{path} is a file; --format tensorrt writes a folder, give another name")
    if path.is_dir() and any(path.iterdir()) and not is_plan_folder(path):
        raise OptionError(
            f"{path} has other files in it; give a new folder, or one that pysal export has written"
        )
    if not path.absolute().parent.is_dir():
        raise InputError(f"folder {path.parent} does not exist; create it or write elsewhere")
    if not os.access(path.absolute().parent, os.W_OK):
        raise InputError(f"cannot write to {path.parent}: permission denied")


def write_folder(
    path: Path,
    plans: Mapping[str, BuiltPlan],
    *,
    library: Library,
    options: PlanOptions,
    gpu: str,
    metadata: Mapping[str, str],
) -> None:
    """Write plans and their manifest, in place of older ones; whole or not at all.

    Parameters
    ----------
    path : Path
    plans : mapping of str to BuiltPlan
        "forward" and "gradient".
    library, options, gpu
        What they were built with and for.
    metadata : mapping of str to str
        Of the model: `prepared.MODEL_KEY` and others.

    Raises
    ------
    InputError
        If the folder cannot be written.
    """
    manifest = {
        "kind": KIND,
        "format": FORMAT,
        "library": library.flavour,
        "version": library.version,
        "gpu": gpu,
        **dataclasses.asdict(options),
        "metadata": dict(metadata),
        "plans": {name: {"file": f"{name}.plan", **describe(p)} for name, p in plans.items()},
    }
    with whole_folder(path) as folder:
        for name, plan in plans.items():
            (folder / f"{name}.plan").write_bytes(plan.data)
        text = json.dumps(manifest, indent=1) + "\n"
        (folder / MANIFEST).write_text(text, encoding="utf-8")


class FolderPlans(PlanSource):
    """Plans of a folder.

    Attributes
    ----------
    options : PlanOptions
        What they were built with.

    Raises
    ------
    ModelFormatError
        If the manifest is not one of ours, or of a later format.
    CapabilityError
        If they are for another library, version or GPU.
    """

    def __init__(self, path: Path, library: Library, gpu: str, capability: str) -> None:
        self._path = path
        manifest = _manifest(path)
        if not manifest or manifest.get("format") != FORMAT:
            raise ModelFormatError(
                f"{path / MANIFEST} is not a list of plans of format {FORMAT}; export the model "
                "again with --format tensorrt"
            )
        try:
            self.metadata = manifest["metadata"]
            self.facts = json.loads(self.metadata[MODEL_KEY])
            self._plans = manifest["plans"]
            self.options = PlanOptions(
                manifest["precision"],
                tuple(manifest["batch"]),
                tuple(manifest["capabilities"]),
                manifest["workspace"],
            )
            built_with = manifest["library"], manifest["version"]
            built_for = manifest["gpu"]
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFormatError(
                f"{path / MANIFEST} is incomplete ({error}); export the model again"
            ) from error
        if built_with != (library.flavour, library.version):
            raise CapabilityError(
                f"the plans in {path} are of {NAMES.get(built_with[0], built_with[0])} "
                f"{built_with[1]}, and {library.label} is here; export them again, or install that "
                "version"
            )
        targets = self.options.capabilities
        if targets and capability not in targets:
            raise CapabilityError(
                f"the plans in {path} are for compute capability {', '.join(targets)}, and this "
                f"GPU has {capability}; export them again with --capability {capability}"
            )
        if not targets and gpu != built_for:
            raise CapabilityError(
                f"the plans in {path} are for {built_for}, and this GPU is {gpu}; export them here"
            )

    def forward(self, taps: Sequence[str]) -> BuiltPlan:
        """The forward plan where it has every tap, else the gradient plan."""
        wanted = (LOGITS, *taps)
        return self._load("forward" if self._has("forward", wanted) else "gradient", wanted)

    def gradient(self, rules: str, wrt: str, taps: Sequence[str] = ()) -> BuiltPlan:
        """The gradient plan, if it was exported with this table and for these values."""
        self._check_rules(rules)
        return self._load("gradient", (LOGITS, gradient_name(wrt), *taps))

    def _has(self, name: str, outputs: Sequence[str]) -> bool:
        return set(outputs) <= set(self._plans.get(name, {}).get("outputs", ()))

    def _load(self, name: str, outputs: Sequence[str]) -> BuiltPlan:
        if not self._has(name, outputs):
            has = self._plans.get(name, {}).get("outputs", ())
            lost = next(output for output in outputs if output not in has)
            raise OptionError(
                f'{self._path.name} has no plan with output "{lost}"; export it with --taps, or '
                "open the original ONNX file"
            )
        record = self._plans[name]
        file = self._path / record["file"]
        try:
            plan = restore(file.read_bytes(), record)
        except OSError as error:
            raise InputError(f"{file}: {error.strerror}; export the model again") from error
        if plan is None:
            raise ModelFormatError(
                f"{file} is not the plan that {MANIFEST} tells of; export the model again"
            )
        return plan


def _manifest(path: Path) -> dict[str, Any]:
    """The manifest of a folder; empty where there is none, or of another kind."""
    try:
        found = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and found.get("kind") == KIND else {}
