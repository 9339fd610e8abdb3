"""Studies on a real Ray cluster of two nodes on this machine."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from small_study import assert_same_records, small_dataset

import modalconflict as mc
from modalconflict.errors import InvalidArgument, IoError
from modalconflict.records.reading import study_information
from tiny_bundles import copy_of, tiny_bundle

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'modalconflict[ray]'")

# Ray's own processes and sockets outlive its objects here and there; that is no news of ours.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

GROUPS = 9
_NODE = {"num_cpus": 1, "object_store_memory": 80 << 20}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Start a head without cores, so that every worker is on a node that may be taken away, and two nodes."""
    from ray.cluster_utils import Cluster

    # Ray's workers give way to every other process, and beside the other tests they would hardly run
    os.environ["RAY_worker_niceness"] = "0"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cluster = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 0, "object_store_memory": 80 << 20, "include_dashboard": False},
        )
        for _ in range(2):
            cluster.add_node(**_NODE)
        cluster.wait_for_nodes()
        ray.init(address=cluster.address, log_to_driver=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()
    del os.environ["RAY_worker_niceness"]


@pytest.fixture(scope="module")
def bundle() -> Path:
    return tiny_bundle()[2]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_dataset(tmp_path_factory.mktemp("data") / "color", GROUPS)


@pytest.fixture(scope="module")
def alone(bundle: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The records of the same study in one process."""
    out = tmp_path_factory.mktemp("alone") / "study"
    mc.run(bundle, data, out)
    return mc.read_records(out)


def test_two_nodes_give_the_table_of_one_process(
    cluster: Any, bundle: Path, data: Path, alone: Any, tmp_path: Path
) -> None:
    done: list[int] = []
    result = mc.run(
        bundle, data, tmp_path / "study", engine="ray", limit=5, progress=lambda p: done.append(p.groups_done)
    )
    assert (result.groups, done) == (5, [1, 2, 3, 4, 5])
    with pytest.raises(IoError, match="continue it by --resume"):
        mc.run(bundle, data, tmp_path / "study", engine="ray")
    with pytest.raises(IoError, match="holds another study .*max_new_tokens 8 there, 3 here"):
        mc.run(bundle, data, tmp_path / "study", engine="ray", resume=True, max_new_tokens=3)
    result = mc.run(bundle, data, tmp_path / "study", engine="ray", resume=True)
    assert (result.groups, result.failed) == (GROUPS, 0) and result.new_runs < result.runs
    assert_same_records(mc.read_records(tmp_path / "study"), alone)
    calls = study_information(tmp_path / "study")["calls"]
    assert [c["workers"] for c in calls] == [2, 2] and calls[0]["prompt_tokens"] > 0


def test_the_groups_of_a_lost_node_run_again_elsewhere(
    cluster: Any, bundle: Path, data: Path, alone: Any, tmp_path: Path
) -> None:
    def workers() -> list[Any]:
        return [a for a in ray._private.state.actors().values() if a["State"] == "ALIVE"]

    def lose_a_node(progress: Any) -> None:
        # while the others wait, and until Ray knows of it: the study is so short that it would end first
        if progress.groups_done == 1:
            lost = workers()[0]["Address"]["NodeID"]
            cluster.remove_node(next(n for n in cluster.worker_nodes if n.node_id == lost), allow_graceful=False)
            deadline = time.monotonic() + 60
            while any(a["Address"]["NodeID"] == lost for a in workers()) and time.monotonic() < deadline:
                time.sleep(0.1)

    try:
        result = mc.run(bundle, data, tmp_path / "study", engine="ray", workers=2, progress=lose_a_node)
    finally:
        cluster.add_node(**_NODE)
        cluster.wait_for_nodes()
    assert (result.groups, result.failed) == (GROUPS, 0)
    assert study_information(tmp_path / "study")["calls"][0]["lost_workers"] >= 1
    assert_same_records(mc.read_records(tmp_path / "study"), alone)


def test_a_node_with_an_altered_bundle_stops_the_study(cluster: Any, bundle: Path, data: Path, tmp_path: Path) -> None:
    broken = copy_of(bundle, tmp_path)
    victim = next(broken.glob("*.safetensors"))
    victim.write_bytes(victim.read_bytes()[:-1] + b"!")
    with pytest.raises(IoError, match="differs from its SHA-256 in bundle.json"):
        mc.run(broken, data, tmp_path / "study", engine="ray")


def test_what_no_other_process_has_is_refused(bundle: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="model is loaded by every worker; give its folder's path"):
        mc.run(object(), data, tmp_path / "study", engine="ray")
    with pytest.raises(InvalidArgument, match="engine 'spark' is neither local nor ray"):
        mc.run(bundle, data, tmp_path / "study", engine="spark")
    with pytest.raises(InvalidArgument, match="workers are of a Ray cluster"):
        mc.run(bundle, data, tmp_path / "study", workers=2)
    with pytest.raises(InvalidArgument, match="workers is 0"):
        mc.run(bundle, data, tmp_path / "study", engine="ray", workers=0)
