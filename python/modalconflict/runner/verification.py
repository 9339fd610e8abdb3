"""`modalconflict verify`: is a bundle or a study what it says?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from modalconflict.analysis.layers import matrix
from modalconflict.errors import IoError, ModelError
from modalconflict.records.reading import is_study, read_records
from modalconflict.records.schema import lens_rows

ENTROPY_TOLERANCE = 1e-3
"""Nats by which a run's entropy may change with the runs beside it: other shapes round otherwise in float32."""


def verify(path: str | Path) -> Iterator[str]:
    """Check a bundle, a study or a table of records; yields one line a check that passed.

    Parameters
    ----------
    path
        A bundle's folder, a study's folder, or a .parquet or .csv table.

    Yields
    ------
    str

    Raises
    ------
    IoError
        If the path is neither, or a file is missing or altered.
    InvalidArgument
        If a record breaks the format.
    ModelError
        If the bundle does not run as it should.
    """
    path = Path(path)
    if not path.exists():
        raise IoError(f"{path} does not exist; name a bundle, a study or a table of records")
    if path.is_dir() and not is_study(path):
        if not (path / "bundle.json").is_file():
            raise IoError(f"{path} is neither a bundle (no bundle.json) nor a study (no study.json)")
        yield from _verify_bundle(path)
    else:
        yield from _verify_records(path)


def _verify_records(path: Path) -> Iterator[str]:
    records = read_records(path)
    yield f"{path}: {records.num_rows} records keep to the format{' and their checksums' if path.is_dir() else ''}"
    failed = sum(s != "ok" for s in records["status"].to_pylist())
    yield f"{failed} runs failed" if failed else "no run failed"
    if lens_rows(records) and "lens_entropy" in records.column_names:
        last = matrix(records["lens_entropy"], np.float64)[:, -1]
        entropy = records["entropy"].to_numpy(zero_copy_only=False)
        both = np.isfinite(last) & np.isfinite(entropy)
        gap = np.abs(last - entropy)[both].max(initial=0.0)
        if gap > 1e-9:
            row = int(np.nanargmax(np.where(both, np.abs(last - entropy), np.nan)))
            raise IoError(
                f"{path}, row {row}: the lens' last entropy is {last[row]:.6g} and the answer's {entropy[row]:.6g} nats; "
                "they are one number, so the records were altered: run the study again"
            )
        yield "the lens' last row equals the answer's entropy"


def _verify_bundle(path: Path) -> Iterator[str]:
    from PIL import Image

    from modalconflict import load_model
    from modalconflict.bundle import load_bundle
    from modalconflict.prepare import RunSpec, load_preparer

    bundle = load_bundle(path, verify=True)
    yield f"{path}: {len(bundle.manifest['files'])} files keep their checksums"
    model = load_model(path)
    preparer = load_preparer(path)
    question = "What color is the circle? Answer in one word."
    image = Image.new("RGB", (64, 64), (200, 30, 30))
    specs = [
        RunSpec("text only", "text_only", None, "The circle is blue.", question),
        RunSpec("vision only", "vision_only", image, None, question),
        RunSpec("both", "multimodal", image, "The circle is blue.", question),
        RunSpec(
            "both, longer", "multimodal", image, "In the picture there is a circle, and the circle is blue.", question
        ),
    ]
    together = model.run(preparer.prepare(specs), max_new_tokens=1)
    for spec, status in zip(specs, together.status, strict=True):
        if status != "ok":
            raise ModelError(f"{path}: the {spec.case_id} run gives {status}; export the model again")
    yield f"{len(specs)} runs give finite numbers at all {together.entropy.shape[1]} lens rows"
    last = float(np.abs(together.kl_final[:, -1]).max())
    if last > 1e-6:
        raise ModelError(
            f"{path}: the lens' last row differs from the model's logits by {last:.2g} nats; export the model again"
        )
    yield f"the lens' last row is the model's logits (KL {last:.1g} nats)"
    alone = [model.run(preparer.prepare([s]), max_new_tokens=1) for s in specs]
    gap = max(float(np.abs(a.entropy[0] - together.entropy[i]).max()) for i, a in enumerate(alone))
    if gap > ENTROPY_TOLERANCE:
        raise ModelError(
            f"{path}: entropies change by {gap:.2g} nats with the runs beside them; export the model in float32"
        )
    yield f"alone or together, entropies agree within {gap:.1g} nats"
