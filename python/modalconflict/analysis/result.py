"""The result of an analysis: kept in memory, saved to a folder, read back."""

from __future__ import annotations

import html
import math
import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from modalconflict.arrow_tables import stream_of
from modalconflict.errors import InvalidArgument, IoError
from modalconflict.folders import claim_folder
from modalconflict.pixels import first_line
from modalconflict.records.files import read_json, write_json
from modalconflict.records.parquet import read_parquet

if TYPE_CHECKING:
    from modalconflict.core.balance import BalancePoint

SUMMARY = "summary.json"
FORMAT = "modalconflict-analysis"
FORMAT_VERSION = 1


def versions() -> dict[str, str]:
    """Versions of what computed the numbers."""
    from modalconflict import __version__

    return {
        "modalconflict": __version__,
        "numpy": np.__version__,
        "pyarrow": pa.__version__,
        "python": platform.python_version(),
    }


def finite(value: Any) -> Any:
    """The same structure with NaN and infinities as None, so that it is strict JSON."""
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value


def _holds_analysis(folder: Path) -> bool:
    """Whether the folder's summary.json is one of ours: any other must not be overwritten."""
    try:
        found = read_json(folder / SUMMARY, "run the analysis again")
    except OSError:
        return False
    return isinstance(found, dict) and found.get("format") == FORMAT


@dataclass
class ModelAnalysis:
    """The analysis of one model.

    Attributes
    ----------
    summary
        Every number, as in summary.json.
    cases
        One row a multimodal run: `delta` (ΔU_rel), `included`, `outcome`, `oscillations`, `region`, the lens columns.
    tables
        "bins" (of ΔU_rel), "indices" (the law under every index), "following" (by tier) and, where the records are runs,
        "tiers" (the unimodal runs), "lens" (a row a layer) and, where there are any, "controls" (a row a kind of control).
    layers
        "edges" (bins + 1,), "difference" (bins, R: mean logit of the text's answer minus the image's), "counts" (bins,);
        None without lens columns.
    """

    summary: dict[str, Any]
    cases: pa.Table
    tables: dict[str, pa.Table] = field(default_factory=dict)
    layers: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        self.summary = finite(self.summary)

    @property
    def name(self) -> str:
        """The model's name."""
        return str(self.summary["name"])

    @property
    def balance_point(self) -> BalancePoint:
        """The headline balance point: lapse-logistic, whole groups resampled; status "too_few_cases" if there is nothing to fit."""
        return _balance_point(self.summary["balance_point"]["headline"])

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """Hand the cases over as an Arrow stream: ``polars.DataFrame(model)``; `tables` are Arrow tables themselves."""
        return stream_of(self.cases, requested_schema)

    def included(self) -> pa.Table:
        """The cases that the law is stated on."""
        return self.cases.filter(self.cases["included"])

    def __repr__(self) -> str:
        point = self.summary["balance_point"]["headline"]
        used, rate = self.summary["counts"]["used"], signed(self.summary["tfr"]["estimate"], 3)
        return f"ModelAnalysis({self.name!r}, n={used}, TFR {rate}, balance point {describe_point(point)})"


def describe_point(point: dict[str, Any]) -> str:
    """A balance point in a few characters: the estimate with its interval, or the status."""
    if point["estimate"] is None:
        return str(point["status"]).replace("_", " ")
    low = "−∞" if point["low"] is None else signed(point["low"])
    high = "∞" if point["high"] is None else signed(point["high"])
    return f"{signed(point['estimate'])} [{low}, {high}]"


def signed(value: float | None, digits: int = 2) -> str:
    """A number with a true minus sign; an en dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{value:.{digits}f}"
    return text.replace("-", "−") if float(text) != 0 else text.lstrip("-")


def _balance_point(content: dict[str, Any]) -> BalancePoint:
    """The object again from its dictionary, where None stands for NaN or infinity."""
    from modalconflict.core.balance import BalancePoint

    crossing = content["estimate"] is not None
    ends = {
        "estimate": math.nan,
        "low": -math.inf if crossing else math.nan,
        "high": math.inf if crossing else math.nan,
    }
    fields: dict[str, Any] = {
        "level": math.nan,
        "groups": 0,
        "dispersion": 1.0,
        "replicates": 0,
        "replicates_without_crossing": 0,
        **content,
        **{name: missing for name, missing in ends.items() if content[name] is None},
    }
    fields["flags"] = tuple(fields["flags"])
    return BalancePoint(**fields, replicate_estimates=np.empty(0))


@dataclass
class Analysis:
    """The analysis of some records: one entry a model.

    Attributes
    ----------
    options
        How the records were analysed.
    versions
        What computed the numbers.
    models
        One analysis a model, in the order of the records.
    comparisons
        One entry a pair of models on the same groups, see :func:`~modalconflict.analysis.compare.compare_models`.
    """

    options: dict[str, Any]
    versions: dict[str, str]
    models: list[ModelAnalysis]
    comparisons: list[dict[str, Any]] = field(default_factory=list)

    @property
    def balance_point(self) -> BalancePoint:
        """The balance point of the one model.

        Raises
        ------
        InvalidArgument
            If there are several models, each of which has its own.
        """
        if len(self.models) != 1:
            raise InvalidArgument(
                f"the analysis holds {len(self.models)} models; use .models[0].balance_point and so on"
            )
        return self.models[0].balance_point

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """Hand all models' cases over as one Arrow stream, with a column `model` in front."""
        tables = [m.cases.add_column(0, "model", pa.repeat(pa.scalar(m.name), m.cases.num_rows)) for m in self.models]
        return stream_of(pa.concat_tables(tables, promote_options="permissive"), requested_schema)

    def to_dict(self) -> dict[str, Any]:
        """The content of summary.json: plain numbers, strings, lists and dictionaries."""
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "options": finite(self.options),
            "versions": self.versions,
            "models": [m.summary for m in self.models],
            "comparisons": self.comparisons,
        }

    def __repr__(self) -> str:
        return "Analysis(" + ", ".join(repr(m) for m in self.models) + ")"

    def _repr_html_(self) -> str:
        head = "<tr><th>model</th><th>cases</th><th>TFR</th><th>balance point</th><th>other</th></tr>"
        rows = "".join(
            f"<tr><td>{html.escape(m.name)}</td><td>{m.summary['counts']['used']}</td><td>{signed(m.summary['tfr']['estimate'], 3)}</td>"
            f"<td>{describe_point(m.summary['balance_point']['headline'])}</td><td>{signed(m.summary['other']['estimate'], 3)}</td></tr>"
            for m in self.models
        )
        return f"<table>{head}{rows}</table>"

    def save(self, out: str | Path) -> Path:
        """Write summary.json and the tables.

        Parameters
        ----------
        out
            A new or empty folder, or one that holds an earlier analysis, which is replaced.

        Returns
        -------
        pathlib.Path
            The path of summary.json.

        Raises
        ------
        IoError
            If the folder holds anything but an analysis, or cannot be written.
        """
        out = Path(out)
        claim_folder(out, "analysis", _holds_analysis)
        try:
            for number, model in enumerate(self.models):
                folder = out / f"model-{number:02d}"
                folder.mkdir(exist_ok=True)
                pq.write_table(model.cases, folder / "cases.parquet", compression="zstd")
                for name, table in model.tables.items():
                    pa.csv.write_csv(table, folder / f"{name}.csv")
                if model.layers is not None:
                    pq.write_table(_layer_table(model.layers), folder / "layers.parquet")
        except OSError as error:
            raise IoError(
                f"cannot write {out}: {error.strerror or error}; free space or choose another folder"
            ) from error
        write_json(out / SUMMARY, self.to_dict())
        return out / SUMMARY


def _layer_table(layers: dict[str, Any]) -> pa.Table:
    edges, difference = layers["edges"], layers["difference"]
    flat = pa.array(difference.reshape(-1))
    return pa.table(
        {
            "low_edge": edges[:-1],
            "high_edge": edges[1:],
            "n": layers["counts"],
            "difference": pa.FixedSizeListArray.from_arrays(flat, difference.shape[1]),
        }
    )


def load_analysis(path: str | Path) -> Analysis:
    """Read back a saved analysis.

    Raises
    ------
    IoError
        If the folder holds no analysis, or a part of it is missing or unreadable.
    """
    path = Path(path)
    try:
        summary = read_json(path / SUMMARY, "run the analysis again")
    except FileNotFoundError:
        raise IoError(
            f"{path} holds no analysis ({SUMMARY} is missing); name a folder that 'modalconflict analyze' wrote"
        ) from None
    if (
        not isinstance(summary, dict)
        or summary.get("format") != FORMAT
        or summary.get("format_version") != FORMAT_VERSION
    ):
        raise IoError(f"{path / SUMMARY} is no analysis of format version {FORMAT_VERSION}; run the analysis again")
    for name, kind in (("models", list), ("options", dict), ("versions", dict)):
        if not isinstance(summary.get(name), kind):
            raise IoError(f"{path / SUMMARY} lacks its {name}; run the analysis again")
    models = []
    for number, content in enumerate(summary["models"]):
        if not isinstance(content, dict):
            raise IoError(f"{path / SUMMARY}, model {number}, is no object; run the analysis again")
        folder = path / f"model-{number:02d}"
        try:
            tables = {f.stem: pa.csv.read_csv(f) for f in sorted(folder.glob("*.csv"))}
            layers = None
            if (folder / "layers.parquet").exists():
                table = read_parquet(folder / "layers.parquet")
                edges = np.append(table["low_edge"].to_numpy(), table["high_edge"].to_numpy()[-1])
                values = table["difference"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
                layers = {
                    "edges": edges,
                    "difference": values.reshape(table.num_rows, -1),
                    "counts": table["n"].to_numpy(),
                }
            models.append(ModelAnalysis(content, read_parquet(folder / "cases.parquet"), tables, layers))
        except (OSError, pa.ArrowException, ValueError, LookupError) as error:
            raise IoError(f"{folder} is incomplete ({first_line(error)}); run the analysis again") from error
    return Analysis(summary["options"], summary["versions"], models, summary.get("comparisons", []))
