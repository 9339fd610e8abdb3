"""The page: self-contained, escaped, and honest in words."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pytest

from modalconflict.analysis import Analysis, analyze
from modalconflict.errors import InvalidArgument, IoError
from modalconflict.reporting import paragraph, report
from modalconflict.reporting.examples import choose, token_text
from modalconflict.reporting.words import preference
from synthetic_study import LAYERS, make_records, make_study
from test_analyze import minimal, with_controls

HOSTILE = "The circle is <script>alert('x')</script> & <img src=x onerror=alert(1)> \"blue\"."
VOID = {"meta", "img", "br", "link", "hr", "input"}


class Page(HTMLParser):
    """Collects tags, attributes and text, and checks that tags nest."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(content)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_study(tmp_path_factory.mktemp("study"), groups=40, hostile=HOSTILE)


@pytest.fixture(scope="module")
def analysis(study: Path) -> Analysis:
    return analyze(study, replicates=100)


@pytest.fixture(scope="module")
def content(analysis: Analysis, tmp_path_factory: pytest.TempPathFactory) -> str:
    return report(analysis, tmp_path_factory.mktemp("page") / "report.html").read_text(encoding="utf-8")


def test_hostile_text_is_shown_not_run(content: str) -> None:
    page = Page(content)
    assert HOSTILE in page.text
    assert scripts(page) == OURS and content.lower().count("<script") == len(OURS)
    assert not [a for _, attributes in page.tags for a in attributes if a.startswith("on")]


OURS = [{"type": "application/json", "id": "explorer-data"}, {}, {}]


def scripts(page: Page) -> list[dict[str, str | None]]:
    """Attributes of the page's script elements, in their order."""
    return [attributes for tag, attributes in page.tags if tag == "script"]


def test_the_policy_names_our_scripts_alone(content: str) -> None:
    policy = next(a["content"] or "" for t, a in Page(content).tags if a.get("http-equiv") == "Content-Security-Policy")
    bodies = re.findall(r"<script>(.*?)</script>", content, re.S)
    hashes = [base64.b64encode(hashlib.sha256(b.encode()).digest()).decode() for b in bodies]
    assert policy.endswith(f"script-src 'sha256-{hashes[0]}' 'sha256-{hashes[1]}'") and len(bodies) == 2
    assert "default-src 'none'" in policy and "unsafe-eval" not in policy and "http" not in policy


def test_hostile_names_are_shown_not_run(tmp_path: Path) -> None:
    name = '<script>alert(1)</script>" onload="x'
    page = report(
        analyze(make_records(groups=15, model=name), replicates=100), tmp_path / "r.html", title="<b>&</b>"
    ).read_text()
    assert scripts(Page(page)) == OURS and 'onload="' not in page and "<title>&lt;b&gt;&amp;&lt;/b&gt;</title>" in page


def test_the_page_needs_no_other_file(content: str) -> None:
    page = Page(content)
    links = [
        v
        for _, attributes in page.tags
        for k, v in attributes.items()
        if k in ("src", "href", "srcset", "data", "action")
    ]
    assert links and all(v is not None and v.startswith("data:image/") for v in links)
    style = content[content.index("<style>") : content.index("</style>")]
    assert "@import" not in style and "url(" not in style


def test_the_page_shows_what_it_must(content: str, analysis: Analysis) -> None:
    page = Page(content)
    figures = [a["alt"] or "" for tag, a in page.tags if tag == "img"]
    for words in (
        "Text-following rate",
        "image-only runs",
        "text-only runs",
        "logit difference by layer",
        "oscillations",
        "image of case",
    ):
        assert any(words.lower() in f.lower() for f in figures), words
    point = analysis.models[0].summary["balance_point"]["headline"]
    assert f"{point['estimate']:.2f}".replace("-", "−") in page.text
    for words in (
        "1.43 / 0.71",
        "0.35",
        "arXiv 2511.02243",
        "whole groups resampled",
        "a processor, 2 cores",
        "bootstrap replicates",
    ):
        assert words in page.text
    chips = [a for tag, a in page.tags if tag == "div" and (a.get("class") or "").startswith("chip ")]
    assert len(chips) == LAYERS * len(choose(analysis.models[0]))
    assert "prefers-color-scheme: dark" in content and "@media print" in content and 'name="viewport"' in content


def test_images_missing_from_disk_are_said_to_be(study: Path, tmp_path: Path, analysis: Analysis) -> None:
    moved = analyze(study, replicates=100)
    moved.models[0].summary["study"]["dataset"]["path"] = str(tmp_path / "nowhere")
    assert "no longer where the study found it" in report(moved, tmp_path / "r.html").read_text()


def test_examples_are_of_the_kinds_their_titles_say(analysis: Analysis) -> None:
    cases = analysis.models[0].cases.to_pylist()
    chosen = choose(analysis.models[0])
    centre = analysis.models[0].summary["balance_point"]["headline"]["estimate"]
    assert len({row for _, row in chosen}) == len(chosen) >= 5
    by_title = {title: cases[row] for title, row in chosen}
    assert by_title["The text is easy, and it wins"]["outcome"] == "text"
    assert by_title["The image is easy, and it wins"]["outcome"] == "vision"
    assert by_title["Neither"]["outcome"] == "other"
    wavering = by_title["Hard to decide: the layers waver"]
    assert abs(wavering["delta"] - centre) <= 0.5 and wavering["oscillations"] >= 2
    assert by_title["Against the rule: the text wins where the image usually does"]["delta"] > centre
    assert all(case["included"] for case in by_title.values())


@pytest.mark.parametrize(
    ("token", "shown"), [(" red", "red"), ("\n", "⏎"), ("  ", "␣␣"), ("", "∅"), (None, "–"), ("<b>", "<b>")]
)
def test_tokens_are_made_visible(token: str | None, shown: str) -> None:
    assert token_text(token) == shown


def test_words_follow_the_numbers(analysis: Analysis) -> None:
    said = " ".join(paragraph(analysis.models[0].summary, analysis.options))
    s = analysis.models[0].summary
    assert f"followed the text in {100 * s['tfr']['estimate']:.0f}" in said
    assert "the model prefers the image" in said and "It holds in both halves" in said
    assert "which holds zero" not in said


def test_words_without_a_crossing_give_no_number() -> None:
    for balance, side, status in ((9.0, "the text", "always_text"), (-9.0, "the image", "always_vision")):
        result = analyze(make_records(groups=30, balance=balance), replicates=100)
        summary = result.models[0].summary
        assert summary["balance_point"]["headline"]["status"] == status
        said = " ".join(paragraph(summary, result.options))
        assert f"There is no balance point: the model followed {side} more often than not" in said
        assert "equally often at" not in said and preference(summary["balance_point"]["headline"]).startswith("follows")


def test_words_about_a_preference_need_an_interval_on_one_side_of_zero() -> None:
    point = {"status": "crossing", "estimate": -0.1, "low": -0.3, "high": 0.05}
    assert preference(point) == "no clear preference"
    assert preference({**point, "high": -0.01}) == "prefers the image"
    assert preference({**point, "low": 0.01, "high": 0.3}) == "prefers the text"
    assert preference({**point, "status": "one_sided", "low": None}) == "no clear preference"


def test_words_say_when_oscillations_do_not_differ(analysis: Analysis) -> None:
    summary = dict(analysis.models[0].summary)
    summary["oscillations"] = {**summary["oscillations"], "difference": {"estimate": 0.02, "low": -0.1, "high": 0.14}}
    assert "which holds zero: not shown to differ" in " ".join(paragraph(summary, analysis.options))


def test_words_warn_of_a_pile_and_of_contradicting_methods(analysis: Analysis) -> None:
    summary = dict(analysis.models[0].summary)
    summary["piled_up"] = {"low": 0.4, "high": 0.0}
    summary["balance_point"] = {**summary["balance_point"], "disagree": True}
    said = " ".join(paragraph(summary, analysis.options))
    assert "lie within 0.1 of −2, where the axis saturates" in said and "The two methods contradict each other" in said


def test_a_page_of_a_minimal_table(tmp_path: Path) -> None:
    page = Page(report(analyze(minimal(), replicates=100), tmp_path / "r.html").read_text())
    assert "no lens columns in the records" in page.text and "Example cases" not in page.text


def test_a_page_without_a_crossing_says_none(tmp_path: Path) -> None:
    text = Page(
        report(analyze(make_records(groups=20, balance=9.0), replicates=100), tmp_path / "r.html").read_text()
    ).text
    assert "None: follows the text over the whole range" in text and "there is no balance point" in text


def test_models_stand_side_by_side(tmp_path: Path, analysis: Analysis) -> None:
    other = analyze(make_records(groups=20, model="another", balance=0.5), replicates=100)
    other.save(tmp_path / "other")
    page = Page(report([analysis, tmp_path / "other"], tmp_path / "r.html").read_text())
    assert [a for tag, a in page.tags if tag == "h2"] and "synthetic and another" in page.text
    mood = analyze(make_records(groups=20, model="third"), uncertainty="margin", replicates=100)
    with pytest.raises(InvalidArgument, match="different uncertainties"):
        report([analysis, mood], tmp_path / "r.html")


def test_models_of_one_analysis_are_compared_in_a_table_and_figures(tmp_path: Path) -> None:
    both = analyze([make_records(groups=20), make_records(groups=20, model="another", balance=0.5)], replicates=100)
    page = Page(report(both, tmp_path / "r.html").read_text())
    pair = both.comparisons[0]["balance_point"]
    assert "Model against model" in page.text and "synthetic − another" in page.text
    assert f"{pair['estimate']:.2f}".replace("-", "−") in page.text
    assert sum("Differences of" in (a.get("alt") or "") for tag, a in page.tags if tag == "img") == 2


def test_every_index_stands_in_a_table_for_print(content: str, analysis: Analysis) -> None:
    page = Page(content)
    assert "By every uncertainty index" in page.text and "Model against model" not in page.text
    for row in analysis.models[0].summary["indices"]:
        assert row["uncertainty"].replace("_", " ") in page.text
        assert f"{row['balance_point']['estimate']:.2f}".replace("-", "−") in page.text


def bounded(records: pa.Table, upper: float | None) -> pa.Table:
    """The same records as a server's: entropies are lower bounds, the upper ones so many nats above."""
    entropy = records["entropy"].to_pylist()
    kinds = pa.array(["lower_bound"] * records.num_rows)
    ends = pa.array([None if upper is None else e + upper for e in entropy], pa.float64())
    return records.append_column("entropy_kind", kinds).append_column("entropy_upper", ends)


@pytest.mark.parametrize("upper", [0.02, None])
def test_bounds_are_said_to_be_bounds(tmp_path: Path, upper: float | None) -> None:
    records = bounded(make_records(groups=20), upper)
    found = analyze(records, replicates=100)
    bounds = found.models[0].summary["bounds"]
    text = Page(report(found, tmp_path / "r.html").read_text()).text
    assert "The entropies are lower bounds in 180 of the 180 unimodal runs" in text and "(lower bound)" in text
    if upper is None:
        assert bounds["gap"] is None and bounds["delta"] is None and "vocabulary was not given" in text
    else:
        assert bounds["gap"]["median"] == pytest.approx(0.02) and 0 < bounds["delta"]["median"] < 0.2
        assert bounds["delta"]["clear"] > 0.5 and "0.020 nats above them" in text
    margin = analyze(records, uncertainty="margin", replicates=100)
    assert "not an entropy and is exact" in " ".join(paragraph(margin.models[0].summary, margin.options))
    exact = analyze(make_records(groups=20), replicates=100)
    assert exact.models[0].summary["bounds"] is None and "lower bound" not in " ".join(
        paragraph(exact.models[0].summary, exact.options)
    )


def test_the_range_of_a_bounded_case_is_that_of_its_corners() -> None:
    """Against all combinations of two points of either interval, by the definition of ΔH_rel."""
    records = bounded(make_records(groups=12), 0.1)
    cases = analyze(records, replicates=100, cases="all")
    widths = []
    for row in cases.models[0].included().to_pylist():
        corners = [
            2 * (t - v) / (t + v)
            for t in (row["u_text"], row["upper.t"], (row["u_text"] + row["upper.t"]) / 2)
            for v in (row["u_vision"], row["upper.v"], (row["u_vision"] + row["upper.v"]) / 2)
        ]
        widths.append(max(corners) - min(corners))
    delta = cases.models[0].summary["bounds"]["delta"]
    assert delta["n"] == len(widths) and delta["largest"] == pytest.approx(max(widths))


def test_a_study_folder_is_analysed_on_the_way(study: Path, tmp_path: Path) -> None:
    assert "synthetic" in report(study, tmp_path / "sub" / "r.html").read_text()


def test_bad_sources_and_places_are_named(tmp_path: Path, analysis: Analysis) -> None:
    with pytest.raises(IoError, match="does not exist"):
        report(tmp_path / "none", tmp_path / "r.html")
    with pytest.raises(IoError, match="holds no analysis"):
        report(tmp_path, tmp_path / "r.html")
    with pytest.raises(InvalidArgument, match="nothing to report"):
        report([], tmp_path / "r.html")
    with pytest.raises(InvalidArgument, match=r"is no \.html file"):
        report(analysis, tmp_path / "records.parquet")
    (tmp_path / "file").write_text("x")
    with pytest.raises(IoError, match="cannot write"):
        report(analysis, tmp_path / "file" / "r.html")


def test_the_same_analysis_gives_the_same_figures(analysis: Analysis, tmp_path: Path) -> None:
    first, second = (
        re.findall(r'src="(data:image[^"]+)"', report(analysis, tmp_path / n).read_text()) for n in ("a.html", "b.html")
    )
    assert first == second


def test_a_page_of_one_case_gives_no_number(tmp_path: Path) -> None:
    one = pa.table({"case_id": ["a"], "h_text": [0.1], "h_vision": [0.2], "outcome": ["text"]})
    text = Page(report(analyze(one, replicates=100), tmp_path / "r.html").read_text()).text
    assert "too few decided cases for a balance point" in text


def test_controls_stand_apart_and_beside_the_published_one(tmp_path: Path) -> None:
    records = make_records(groups=40, seed=1)
    plain = report(analyze(records, replicates=100), tmp_path / "plain.html").read_text(encoding="utf-8")
    assert "<h3>Controls</h3>" not in plain and "the control was not run" in plain
    found = analyze(with_controls(records, make_records(groups=8, seed=3)), replicates=100)
    page = report(found, tmp_path / "page.html").read_text(encoding="utf-8")
    Page(page)
    (row,) = found.models[0].summary["controls"]
    assert "<h3>Controls</h3>" in page and "<td>text irrelevant</td>" in page and "was not run" not in page
    assert f"{row['oscillations']:.2f} [{row['oscillations_low']:.2f}, " in page
