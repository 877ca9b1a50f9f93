"""Plans that were built before, on disk, found by what they were built from and for."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pysal.backends.tensorrt_build import BuiltPlan
from pysal.backends.whole import write_whole
from pysal.errors import InputError


def default_cache() -> Path:
    """Folder for plans below the user's folder for caches."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "pysal" / "tensorrt"


def cache_folder(cache: str | os.PathLike[str] | bool | None) -> Path | None:
    """The folder that an option `cache` asks for: False is none, None and True are the default."""
    if isinstance(cache, bool) or cache is None:
        return None if cache is False else default_cache()
    return Path(cache)


def plan_key(facts: Mapping[str, Any]) -> str:
    """Name of a plan: a hash of all that it depends on."""
    text = json.dumps(facts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def describe(plan: BuiltPlan) -> dict[str, Any]:
    """A plan's size, hash and tensors, to be kept beside it as JSON."""
    return {
        "bytes": len(plan.data),
        "sha256": hashlib.sha256(plan.data).hexdigest(),
        "inputs": plan.inputs,
        "outputs": plan.outputs,
    }


def restore(data: bytes, record: Mapping[str, Any]) -> BuiltPlan | None:
    """A plan from its bytes and what `describe` said; None where they do not belong together."""
    if len(data) != record["bytes"] or hashlib.sha256(data).hexdigest() != record["sha256"]:
        return None
    sides = (record["inputs"], record["outputs"])
    inputs, outputs = ({name: tuple(shape) for name, shape in side.items()} for side in sides)
    return BuiltPlan(data, inputs, outputs)


class PlanCache:
    """A folder of KEY.plan and KEY.json; processes may share it.

    Both files are written whole, and a plan counts only with a record that has its hash: what a
    killed process left half is built again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: str) -> BuiltPlan | None:
        """The plan of a key; None where there is none, or it is damaged."""
        try:
            data = (self.folder / f"{key}.plan").read_bytes()
            record = json.loads((self.folder / f"{key}.json").read_text(encoding="utf-8"))
            return restore(data, record)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def check(self) -> None:
        """See that plans can be kept, before one is built.

        Raises
        ------
        InputError
            If the folder cannot be made or written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot make the cache {self.folder}: {error.strerror}") from error
        if not os.access(self.folder, os.W_OK):
            raise InputError(f"cannot write to the cache {self.folder}; give another folder")

    def put(self, key: str, plan: BuiltPlan, facts: Mapping[str, Any]) -> None:
        """Keep a plan.

        Raises
        ------
        InputError
            If the folder cannot be made or written.
        """
        record = {"key": key, "facts": dict(facts), **describe(plan)}
        write_whole(self.folder / f"{key}.plan", plan.data)
        text = json.dumps(record, indent=1) + "\n"
        write_whole(self.folder / f"{key}.json", text.encode())
