"""A small dataset and a tiny model for studies over several workers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

SORTED_BY = [("group", "ascending"), ("case_id", "ascending")]


def small_dataset(path: Path, groups: int) -> Path:
    """Make colour groups of two image tiers and two text tiers: eight runs a group."""
    from modalconflict import datasets

    tiers = [datasets.VisionTier(32, 32, 8, 12, few, few) for few in (1, 3)]
    datasets.color_recognition(groups, seed=1, out=path, threads=1, tiers=tiers)
    return path


def in_order(table: pa.Table) -> pa.Table:
    """Return the rows in an order of their own."""
    return table.sort_by(SORTED_BY)


def assert_same_records(found: pa.Table, expected: pa.Table, tolerance: float = 1e-5) -> None:
    """Check for the same rows, floats to a tolerance."""
    found, expected = in_order(found), in_order(expected)
    assert found.schema.equals(expected.schema)
    assert found["case_id"].to_pylist() == expected["case_id"].to_pylist()
    for name in expected.column_names:
        kind = expected.schema.field(name).type
        inner = kind.value_type if hasattr(kind, "value_type") else kind
        if pa.types.is_floating(inner):
            a, b = (pc.list_flatten(t[name]) if inner is not kind else t[name] for t in (found, expected))
            # a column that holds nothing but nulls comes as objects
            values = [np.asarray(column.to_numpy(), dtype=np.float64) for column in (a, b)]
            np.testing.assert_allclose(*values, rtol=tolerance, atol=tolerance, err_msg=name)
        else:
            assert found[name].to_pylist() == expected[name].to_pylist(), name
