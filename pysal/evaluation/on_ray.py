"""The units of an evaluation on a Ray cluster: Ray Data, one actor per device."""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pysal import errors
from pysal.errors import CapabilityError, MissingDependencyError, OptionError, PysalError
from pysal.evaluation.opening import Opening
from pysal.evaluation.plan import Plan, Unit
from pysal.evaluation.worker import Worker
from pysal.values import is_whole

if TYPE_CHECKING:
    import pyarrow as pa

Save = Callable[[Unit, bytes], None]

TRIALS = 4
"""Workers that may die over one unit; then it is given up."""

ROUNDS = 3
"""Times that units are handed out again after Ray Data itself gave up."""


class Cluster:
    """Where the work is done.

    Parameters
    ----------
    address : str, optional
    workers : int, optional
    threads : int, optional
        CPU threads of each worker, and CPUs that it asks Ray for.
    device : str
        Of the engine. "cuda", and "auto" where the cluster has GPUs, ask for one GPU per worker.

    Raises
    ------
    MissingDependencyError
        If Ray is not installed.
    OptionError
        If the number of workers is none, or the device is one of several GPUs.
    """

    def __init__(
        self, address: str | None, workers: int | None, threads: int | None, device: str
    ) -> None:
        try:
            import ray.data  # noqa: F401
        except ImportError:
            raise MissingDependencyError(
                "a cluster needs Ray with its data library, which is not installed; run pip "
                'install "pysal-saliency[ray]"'
            ) from None
        if workers is not None and (not is_whole(workers) or workers < 1):
            raise OptionError(f"workers is {workers!r}; expected a whole number from 1 on")
        if ":" in device:
            raise OptionError(
                f'device is "{device}" and Ray chooses the GPU of each worker; give "cuda"'
            )
        self._address, self._workers = address, workers
        self._threads, self._device = threads, device

    def run(
        self, plan: Plan, opening: Opening, run_hash: str, units: Sequence[Unit], save: Save
    ) -> None:
        """Do the units; `save` is called once for each, here, as they come back.

        Raises
        ------
        CapabilityError
            If units are lost again and again, or workers cannot start.
        PysalError
            What a worker raises because of an option or a missing package.
        """
        left = dict(enumerate(units))
        with self._connected(), _quiet():
            count, threads, gpus = self._shares()
            arguments = {
                "plan": plan,
                "opening": opening.placed(threads),
                "run_hash": run_hash,
                "units": list(units),
            }
            reason = ""
            for _ in range(ROUNDS):
                share = min(count, len(left)), threads, gpus
                dataset = _dataset(list(left), {**arguments, "trials": _trials()}, *share)
                reason = _collect(dataset, left, save)
                if not left:
                    return
                if not reason:
                    reason = f"each ended {TRIALS} workers"
                    break
        lost = next(iter(left.values()))
        raise CapabilityError(
            f"{len(left)} of {len(units)} units of work came back from no worker of Ray "
            f"({reason}), the first {lost.method} on {plan.items[lost.indices[0]].name}; the "
            "others are kept: look at Ray's logs, then run again; a batch size of 1 finds the image"
        )

    @contextlib.contextmanager
    def _connected(self) -> Iterator[None]:
        """Connect to the cluster; one that is started here is stopped here."""
        import ray

        if ray.is_initialized():
            if self._address is not None:
                raise OptionError(
                    f"ray_address is {self._address} and this process is connected to a cluster "
                    "already; leave the address out, or call ray.shutdown() before"
                )
            yield
            return
        local: dict[str, Any] = {}
        if self._address is None:
            asked = (self._workers or 1) * (self._threads or 1)
            local = {"num_cpus": max(os.cpu_count() or 1, asked), "include_dashboard": False}
        try:
            ray.init(
                address=self._address or "local",
                logging_level=logging.ERROR,
                log_to_driver=False,
                **local,
            )
        except (ConnectionError, OSError, RuntimeError, ValueError) as error:
            raise CapabilityError(
                f"Ray cannot be reached at {self._address or 'this machine'} ({_line(error)}); "
                "start it with ray start, or correct the address"
            ) from None
        try:
            yield
        finally:
            ray.shutdown()

    def _shares(self) -> tuple[int, int, int]:
        """Workers, and CPUs and GPUs of each."""
        import ray

        resources = ray.cluster_resources()
        cpus, gpus = int(resources.get("CPU", 1)), int(resources.get("GPU", 0))
        on_gpu = self._device == "cuda" or (self._device == "auto" and gpus > 0)
        threads = self._threads or (max(1, cpus // self._workers) if self._workers else 1)
        most = min(gpus, cpus // threads) if on_gpu else cpus // threads
        count = self._workers or max(1, most)
        if count > most:
            have = f"{gpus} GPUs and {cpus} CPUs" if on_gpu else f"{cpus} CPUs"
            raise OptionError(
                f"workers is {count} of {threads} threads and the cluster has {have}; give fewer "
                "workers or threads"
            )
        return count, threads, int(on_gpu)


class RemoteWorker:
    """A worker in an actor of Ray Data: numbers of units in, their parts out.

    A unit over which too many workers died comes back without a part.
    """

    def __init__(
        self, plan: Plan, opening: Opening, run_hash: str, units: list[Unit], trials: Any
    ) -> None:
        self._units, self._trials = units, trials
        self._worker = Worker(plan, opening.open(plan), run_hash)

    def __call__(self, batch: dict[str, Any]) -> pa.Table:
        """The Parquet file of each unit, or the error that ends the run."""
        import pyarrow as pa
        import ray

        parts, fatal = [], []
        for number in batch["unit"].tolist():
            trial = ray.get(self._trials.begin.remote(number))
            try:
                parts.append(self._worker.run(self._units[number]) if trial <= TRIALS else b"")
                fatal.append("")
            except PysalError as error:
                # As text: Ray would try again what can never work.
                parts.append(b"")
                fatal.append(f"{type(error).__name__}:{error}")
        columns = {"unit": pa.array(batch["unit"]), "part": pa.array(parts, pa.large_binary())}
        return pa.table({**columns, "fatal": pa.array(fatal, pa.string())})


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No bars and lines of Ray Data's own, and no end to its patience: a unit may take hours."""
    import ray.data

    context, logger = ray.data.DataContext.get_current(), logging.getLogger("ray.data")
    wanted = {
        "enable_progress_bars": False,
        "print_on_execution_start": False,
        "execution_no_progress_timeout_s": -1,
    }
    # The last one is not known to older versions.
    before = {name: getattr(context, name) for name in wanted if hasattr(context, name)}
    level = logger.level
    try:
        logger.setLevel(logging.ERROR)
        for name in before:
            setattr(context, name, wanted[name])
        yield
    finally:
        logger.setLevel(level)
        for name, value in before.items():
            setattr(context, name, value)


def _trials() -> Any:
    """An actor that counts how often each unit was begun.

    Ray repeats what a dead worker had in hand without end, and a unit may be what kills workers.
    """
    import ray

    class Trials:
        def __init__(self) -> None:
            self._begun: dict[int, int] = {}

        def begin(self, unit: int) -> int:
            self._begun[unit] = self._begun.get(unit, 0) + 1
            return self._begun[unit]

    return ray.remote(Trials).options(num_cpus=0).remote()


def _dataset(
    numbers: list[int], arguments: dict[str, Any], count: int, threads: int, gpus: int
) -> Any:
    """The units as a data set that workers turn into parts."""
    import ray.data

    rows = [{"unit": number} for number in numbers]
    with warnings.catch_warnings():
        # The names of these options differ between versions; all know these.
        warnings.simplefilter("ignore", DeprecationWarning)
        return ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
            RemoteWorker,
            batch_size=1,
            concurrency=count,
            num_cpus=threads,
            num_gpus=gpus,
            fn_constructor_kwargs=arguments,
        )


def _collect(dataset: Any, left: dict[int, Unit], save: Save) -> str:
    """Save parts as they come back and take their units off the list; why it ended, if it failed.

    A unit that comes back twice, as it can after a worker died, is saved once.
    """
    from ray.exceptions import RayError

    try:
        for table in dataset.iter_batches(
            batch_size=None, batch_format="pyarrow", prefetch_batches=0
        ):
            for row in table.to_pylist():
                if row["fatal"]:
                    name, _, text = row["fatal"].partition(":")
                    raise getattr(errors, name, PysalError)(text)
                if row["part"] and (unit := left.pop(row["unit"], None)) is not None:
                    save(unit, row["part"])
    except RayError as error:
        return _line(error)
    return ""


def _line(error: BaseException) -> str:
    """The last line of an error, which in Ray's own is the cause."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:200]
