"""Workers as Ray actors."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from modalconflict.distributed.dispatch import WorkerLost
from modalconflict.distributed.worker import GroupWorker, WorkerTask
from modalconflict.errors import InvalidArgument, IoError, ModalConflictError, ModelError

# Nobody's studies are reported anywhere, and a worker without a GPU is one on purpose.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")


def missing_ray() -> str | None:
    """Say what to install, or None where Ray is there."""
    try:
        import ray  # noqa: F401
    except ImportError:
        return "Ray is not installed; install it by: pip install 'modalconflict[ray]'"
    return None


class RayPool:
    """Actors on a Ray cluster, each with a model.

    Parameters
    ----------
    task
        What they do; threads None gives each its share of its node's cores.
    address
        The cluster's; None takes the running connection, RAY_ADDRESS or this machine alone.
    workers
        How many; None: one a node, or one a GPU with device "cuda".

    Raises
    ------
    InvalidArgument
        If workers is out of range, or the cluster has no GPU for device "cuda".
    IoError
        If Ray is not installed or the cluster cannot be reached.
    """

    def __init__(self, task: WorkerTask, address: str | None = None, workers: int | None = None) -> None:
        missing = missing_ray()
        if missing:
            raise IoError(missing)
        if workers is not None and not 1 <= workers <= 10_000:
            raise InvalidArgument(f"workers is {workers}; give 1 to 10,000")
        import ray

        self._ray: Any = ray
        self._ours = not ray.is_initialized()
        if self._ours:
            _connect(ray, address)
        try:
            self._arrange(task, workers)
        except BaseException:
            self.close()
            raise

    def _arrange(self, task: WorkerTask, workers: int | None) -> None:
        nodes = [n["Resources"] for n in self._ray.nodes() if n["Alive"] and n["Resources"].get("CPU", 0) >= 1]
        if not nodes:
            raise IoError("the Ray cluster has no node with a core; start one by: ray start --address=…")
        gpus = int(sum(n.get("GPU", 0) for n in nodes)) if task.device == "cuda" else 0
        if task.device == "cuda" and not gpus:
            raise InvalidArgument("the Ray cluster has no GPU; use device cpu, or start its nodes with --num-gpus")
        self.workers = workers or gpus or len(nodes)
        share = -(-self.workers // len(nodes))
        cores = task.threads or max(1, int(min(n["CPU"] for n in nodes)) // share)
        actor: Any = self._ray.remote(GroupWorker)
        self._task = WorkerTask(**{**task.__dict__, "threads": cores})
        self._actor = actor.options(
            num_cpus=cores,
            num_gpus=1 if gpus else 0,
            scheduling_strategy="SPREAD",
            max_restarts=0,  # which groups run again is dispatch's to decide
        )

    def start(self) -> tuple[Any, Any]:
        """Ask for a further actor."""
        worker: Any = self._actor.remote(self._task)
        return worker, worker.introduce.remote()

    def submit(self, worker: Any, group: int) -> Any:
        """Have an actor run a group."""
        return worker.run.remote(group)

    def wait(self, tickets: Sequence[Any], seconds: float) -> Sequence[Any]:
        """Tickets that have an answer."""
        done, _ = self._ray.wait(list(tickets), num_returns=1, timeout=seconds)
        return list(done)

    def result(self, ticket: Any) -> Any:
        """An answer."""
        errors = self._ray.exceptions
        try:
            return self._ray.get(ticket)
        except errors.RayTaskError as error:
            cause = error.cause
            if isinstance(cause, ModalConflictError):
                raise type(cause)(str(cause)) from None
            raise ModelError(
                f"a worker failed ({type(cause).__name__}: {cause}); this is no fault of a case"
            ) from error
        except errors.RayError as error:  # the actor's process, its node or what it returned is gone
            raise WorkerLost(str(error)) from error

    def stop(self, worker: Any) -> None:
        """End an actor."""
        self._ray.kill(worker)

    def close(self) -> None:
        """Leave the cluster, if this pool joined it."""
        if self._ours:
            self._ray.shutdown()


def _connect(ray: Any, address: str | None) -> None:
    address = address or os.environ.get("RAY_ADDRESS")
    options = {} if address else {"include_dashboard": False}  # those of a cluster that is there already are its own
    try:
        ray.init(address=address, log_to_driver=False, logging_level="WARNING", **options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        where = f"the Ray cluster at {address}" if address else "Ray on this machine"
        raise IoError(
            f"cannot join {where} ({str(error).splitlines()[0]}); look at its address (ray status)"
        ) from error
