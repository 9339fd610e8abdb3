"""The page in a real browser: what a person can do with pointer, keyboard and screen reader, and that it keeps to itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from browser import CHROMIUM, Opened, need_browser, opened
from modalconflict.analysis import Analysis, analyze
from modalconflict.reporting import report
from synthetic_study import LAYERS, make_records, make_study

HOSTILE = "The circle is <script>alert('x')</script> & <img src=x onerror=alert(1)> </script><b>\"blue\"."
NAME = "second <b>&</b>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with need_browser()() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM)
        yield started
        started.close()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    folder = tmp_path_factory.mktemp("studies")
    first = make_study(folder / "a", groups=40, hostile=HOSTILE)
    second = make_study(folder / "b", groups=40, model=NAME, balance=0.4)
    return analyze([first, second], replicates=100)


@pytest.fixture(scope="module")
def path(models: Analysis, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report(models, tmp_path_factory.mktemp("page") / "report.html")


@pytest.fixture
def page(browser: Any, path: Path) -> Iterator[Opened]:
    with opened(browser, path) as found:
        yield found


def settle(found: Opened) -> None:
    """Wait until the charts have drawn what was asked for: two frames."""
    found.page.evaluate(
        "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 60))))"
    )


def marks(found: Opened, chart: str, words: str = "") -> Any:
    """A chart's described marks."""
    named = f"[aria-label*='{words}']" if words else ""
    return found.page.locator(f"#explorer-{chart} svg path[aria-roledescription=point]{named}")


def centre(locator: Any) -> tuple[float, float]:
    """Where to point at a mark, which is brought into view."""
    locator.scroll_into_view_if_needed()
    box = locator.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def numbers(found: Opened) -> dict[str, list[str]]:
    """The table of the chosen cases: a model's cells."""
    rows = [r.split("\t") for r in found.ids("#explorer-numbers tbody tr")]
    return {r[0].strip(): [c.strip() for c in r[1:]] for r in rows}


def drag(found: Opened, chart: str, start: float, stop: float) -> None:
    """Drag over a chart from one share of its width to another."""
    drawing = found.page.locator(f"#explorer-{chart} svg")
    drawing.scroll_into_view_if_needed()
    box = drawing.bounding_box()
    y = box["y"] + box["height"] * 0.3
    found.page.mouse.move(box["x"] + box["width"] * start, y)
    found.page.mouse.down()
    for share in np.linspace(start, stop, 5):
        found.page.mouse.move(box["x"] + box["width"] * float(share), y)
    found.page.mouse.up()
    settle(found)


def test_the_points_are_the_analysis_bins(page: Opened, models: Analysis) -> None:
    page.page.locator("summary", has_text="The points as a table").click()
    rows = [r.split("\t") for r in page.ids("#explorer-bins tbody tr")]

    def plain(words: str) -> list[float]:
        return [float(w) for w in re.findall(r"-?[\d.]+", words.replace("\u202f", "").replace("−", "-"))]

    for model in models.models:
        shown = [[*plain(r[0]), *plain(r[2]), *plain(r[3]), *plain(r[4])] for r in rows if r[1].strip() == model.name]
        expected = [
            [b["low_edge"], b["high_edge"], b["n"], *(100 * b[k] for k in ("tfr", "tfr_low", "tfr_high"))]
            for b in model.tables["bins"].to_pylist()
            if b["half"] == "all" and b["n"]
        ]
        assert len(shown) == len(expected) > 8
        np.testing.assert_allclose(shown, expected, atol=0.0501)


def test_models_stand_side_by_side_with_their_intervals(page: Opened, models: Analysis) -> None:
    labels = page.page.locator("#explorer-points svg [aria-roledescription=point]").evaluate_all(
        "all => all.map(e => e.getAttribute('aria-label'))"
    )
    assert len(labels) == 2
    for model, label in zip(models.models, labels, strict=True):
        point = model.summary["balance_point"]["headline"]
        assert label.startswith(f"{model.name}: balance point ") and f"{point['low']:.2f}".replace("-", "−") in label
    assert set(numbers(page)) == {"synthetic", NAME}


def test_a_model_can_be_taken_out(page: Opened) -> None:
    page.page.get_by_label(NAME, exact=True).uncheck()
    settle(page)
    assert set(numbers(page)) == {"synthetic"}
    assert marks(page, "law", NAME).count() == 0 and marks(page, "law", "synthetic").count() > 5
    page.page.get_by_label(NAME, exact=True).check()
    settle(page)
    assert marks(page, "law", NAME).count() > 5


def test_another_index_gives_another_axis_and_its_numbers(page: Opened, models: Analysis) -> None:
    before = numbers(page)["synthetic"]
    page.page.get_by_label("uncertainty index", exact=True).select_option("max prob")
    settle(page)
    law = next(r for r in models.models[0].summary["indices"] if r["uncertainty"] == "max_prob")
    after = numbers(page)["synthetic"]
    assert f"{law['balance_point']['estimate']:.2f}".replace("-", "−") in after[3] and before[3] != after[3]
    assert after[4] == f"{law['spearman']:.2f}".replace("-", "−")
    assert "ΔUᵣₑₗ, relative max prob" in page.page.locator("#explorer-axis").inner_text()
    assert "max prob" in page.page.locator("#explorer-said").inner_text()


def test_a_brush_counts_the_cases_inside(page: Opened, models: Analysis) -> None:
    drag(page, "law", 0.3, 0.6)
    low, high = (float(page.page.locator(f"#explorer-{end}").input_value()) for end in ("from", "to"))
    assert -1.5 < low < high < 1.0
    for model in models.models:
        cases = [c for c in model.included().to_pylist() if low <= c["delta"] < high]
        text, vision = (sum(c["outcome"] == o for c in cases) for o in ("text", "vision"))
        cells = numbers(page)[model.name]
        assert cells[0] == str(len(cases)) and cells[1].startswith(f"{100 * text / (text + vision):.1f}")
    assert f"{low:.2f}".replace("-", "−") in page.page.locator("#explorer-scope").inner_text()
    shown = page.ids("#explorer-list li")
    deltas = [float(re.search(r"ᵣₑₗ (\S+)", s)[1].replace("−", "-")) for s in shown]  # type: ignore[index]
    assert deltas == sorted(deltas) and low - 0.005 <= deltas[0] and deltas[-1] <= high + 0.005
    page.page.get_by_role("button", name="whole range").click()
    settle(page)
    assert page.page.locator("#explorer-scope").inner_text() == "All cases."


def test_the_range_can_be_typed_and_is_put_right(page: Opened) -> None:
    page.page.get_by_label("range from").fill("-0.51")
    page.page.get_by_label("range from").press("Enter")
    page.page.get_by_label("to", exact=True).fill("99")
    page.page.get_by_label("to", exact=True).press("Tab")
    settle(page)
    assert page.page.locator("#explorer-from").input_value() == "-0.50"
    assert page.page.locator("#explorer-to").input_value() == "2.00"


def test_tiers_filter_every_count(page: Opened, models: Analysis) -> None:
    for tier in (1, 2):
        page.page.locator(f"#explorer-d_t-{tier}").uncheck()
    page.page.locator("#explorer-d_v").get_by_role("button", name="all or none").click()
    page.page.locator("#explorer-d_v-3").check()
    settle(page)
    for model in models.models:
        cases = [c for c in model.included().to_pylist() if c["d_v"] == 3 and c["d_t"] == 0]
        assert numbers(page)[model.name][0] == str(len(cases))
    assert "Only the chosen tiers are counted" in page.page.locator("#explorer-scope").inner_text()


def test_hovering_tells_of_a_bin_and_of_a_case(page: Opened) -> None:
    page.page.mouse.move(*centre(marks(page, "law", "synthetic").nth(4)))
    hint = page.page.locator(".hint")
    assert hint.is_visible() and "decided cases follow the text" in hint.inner_text()
    dot = marks(page, "cases", "synthetic").nth(40)
    page.page.mouse.move(*centre(dot))
    page.page.wait_for_selector(".hint img.thumb")
    words = hint.inner_text()
    assert "text alone:" in words and "image alone:" in words and "last layers:" in words
    page.page.mouse.move(2, 2)
    assert not hint.is_visible()


def test_clicking_a_bin_chooses_its_range(page: Opened) -> None:
    mark = marks(page, "law", "synthetic").nth(5)
    ends = re.findall(r"[−\d]+\.\d\d", mark.get_attribute("aria-label"))[:2]
    page.page.mouse.click(*centre(mark))
    settle(page)
    typed = [page.page.locator(f"#explorer-{end}").input_value() for end in ("from", "to")]
    assert typed == [end.replace("−", "-") for end in ends] and typed[0] != "-2.00"


def test_clicking_a_case_opens_it_whole(page: Opened, models: Analysis) -> None:
    dot = marks(page, "cases", "synthetic").nth(30)
    page.page.mouse.click(*centre(dot))
    settle(page)
    article = page.page.locator("#explorer-case article")
    name = article.locator("p.meta").last.inner_text().split(" · ")[-1]
    case = next(c for c in models.models[0].cases.to_pylist() if c["case_id"] == name)
    words = article.inner_text()
    assert f"{case['delta']:.2f}".replace("-", "−") in words and case["answer_raw"] in words
    assert case["text"] in words and case["question"] in words
    assert article.locator(".chip").count() == LAYERS
    first = article.locator(".chip b").first.inner_text()
    assert first == case["lens_top1_token"][1].strip()
    assert article.locator("img.picture").evaluate("e => e.complete && e.naturalWidth") > 10
    assert page.page.locator("#explorer-case-chart svg [aria-roledescription=point]").count() >= LAYERS
    other = models.models[1].included().to_pylist()
    same = next((c for c in other if c["case_id"] == name), None)
    shown = article.locator(".elsewhere li").all_inner_texts()
    assert not shown or (same is not None and same["answer_raw"] in shown[0])


def test_a_hostile_text_is_shown_not_run(page: Opened) -> None:
    page.page.get_by_label("to", exact=True).fill("-0.5")
    page.page.get_by_label("to", exact=True).press("Tab")
    settle(page)
    for i in range(page.page.locator("#explorer-list button").count()):
        page.page.locator("#explorer-list button").nth(i).click()
        settle(page)
        if HOSTILE in page.page.locator("#explorer-case").inner_text():
            break
    else:
        pytest.fail("no case with the hostile text among the first ones")
    assert page.page.locator("#explorer-case script, #explorer-case .said b").count() == 0


def test_the_keyboard_does_what_the_pointer_does(page: Opened) -> None:
    law = page.page.locator("#explorer-law")
    law.focus()
    for _ in range(3):
        page.page.keyboard.press("ArrowRight")
    settle(page)
    said = page.page.locator("#explorer-said").inner_text()
    assert "decided cases follow the text" in said
    page.page.keyboard.press("Enter")
    settle(page)
    assert page.page.locator("#explorer-from").input_value() != "-2.00"
    page.page.keyboard.press("Escape")
    settle(page)
    assert page.page.locator("#explorer-from").input_value() == "-2.00"
    page.page.locator("#explorer-cases").focus()
    page.page.keyboard.press("End")
    page.page.keyboard.press("ArrowLeft")
    page.page.keyboard.press("Enter")
    settle(page)
    assert page.page.locator("#explorer-case article").count() == 1
    page.page.locator("#explorer-list button").nth(2).press("Enter")
    settle(page)
    assert page.page.evaluate("() => document.activeElement.tagName") == "H4"


def test_charts_that_take_keys_say_so(page: Opened) -> None:
    for chart in ("law", "cases"):
        holder = page.page.locator(f"#explorer-{chart}")
        assert holder.get_attribute("role") == "application" and "Arrow keys" in holder.get_attribute("aria-label")


def test_every_control_can_be_reached_by_tab(page: Opened) -> None:
    page.page.locator("#explorer-index").focus()
    seen = set()
    for _ in range(60):
        seen.add(page.page.evaluate("() => document.activeElement.id"))
        page.page.keyboard.press("Tab")
    wanted = {
        "explorer-index",
        "explorer-from",
        "explorer-to",
        "explorer-model-0",
        "explorer-d_v-0",
        "explorer-d_t-2",
        "explorer-law",
        "explorer-cases",
    }
    assert wanted <= seen


def test_more_cases_are_shown_on_demand(page: Opened) -> None:
    before = page.page.locator("#explorer-list li").count()
    page.page.locator("#explorer-more").click()
    assert page.page.locator("#explorer-list li").count() == 2 * before


def luminance(found: Opened, selector: str, style: str) -> float:
    r, g, b = map(
        int, re.findall(r"\d+", found.page.locator(selector).first.evaluate(f"e => getComputedStyle(e).{style}"))[:3]
    )
    return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_system_and_the_choice(browser: Any, path: Path, scheme: str) -> None:
    with opened(browser, path, color_scheme=scheme) as found:
        label = "#explorer-law .role-axis-label text"
        dark = scheme == "dark"
        assert (luminance(found, "body", "backgroundColor") < 0.5) == dark
        assert (luminance(found, label, "fill") > 0.5) == dark
        found.page.get_by_label("colours").select_option("light" if dark else "dark")
        assert (luminance(found, "body", "backgroundColor") < 0.5) != dark
        assert (luminance(found, label, "fill") > 0.5) != dark


def test_a_print_is_light_and_without_controls(browser: Any, path: Path) -> None:
    with opened(browser, path, color_scheme="dark") as found:
        found.page.emulate_media(media="print", color_scheme="dark")
        assert luminance(found, "body", "backgroundColor") > 0.9
        assert not found.page.locator(".controls").is_visible() and found.page.locator("#explorer-law svg").is_visible()


def test_a_phone_needs_no_sideways_scrolling(browser: Any, path: Path) -> None:
    with opened(browser, path, width=390, height=844, has_touch=True, is_mobile=True) as found:
        assert found.page.evaluate("() => document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_barrier(browser: Any, path: Path, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    with opened(browser, path, color_scheme=scheme, bypass_csp=True) as found:
        found.page.locator("#explorer-list button").first.click()
        found.page.locator("summary").first.click()
        settle(found)
        result = axe.Axe().run(found.page).response
        serious = [
            (v["id"], v["impact"], [n["html"][:160] for n in v["nodes"][:3]])
            for v in result["violations"]
            if v["impact"] in ("serious", "critical", "moderate")
        ]
        assert serious == [] and len(result["passes"]) > 20


def test_without_scripts_every_figure_is_there(browser: Any, path: Path) -> None:
    with opened(browser, path, java_script_enabled=False, drawn=False) as found:
        assert found.page.get_by_text("Scripts are off").is_visible()
        assert not found.page.locator("#explorer").is_visible() and not found.page.locator("#theme-choice").is_visible()
        assert found.page.locator("figure img").count() >= 12


def test_a_script_from_elsewhere_would_not_run(browser: Any, path: Path, tmp_path: Path) -> None:
    """The policy stops what escaping would have let through."""
    content = path.read_text(encoding="utf-8")
    bad = tmp_path / "bad.html"
    bad.write_text(
        content.replace(
            "</main>", "<script>document.title = 'run'</script><img src='https://example.org/x.png' alt=''></main>", 1
        ),
        encoding="utf-8",
    )
    made = browser.new_context(offline=True)
    page = made.new_page()
    page.goto(bad.as_uri())
    page.wait_for_selector("html[data-explorer=drawn]", state="attached")
    assert page.title() != "run"
    made.close()


def test_one_model_without_tiers_or_lens(browser: Any, tmp_path: Path) -> None:
    from test_analyze import minimal

    page = report(analyze(minimal(), replicates=100), tmp_path / "r.html")
    with opened(browser, page) as found:
        assert found.page.locator("#explorer-models, #explorer-d_v, #explorer-layers, #explorer-indices").count() == 0
        assert marks(found, "law").count() > 5
        found.page.locator("#explorer-list button").first.click()
        assert "follows the" in found.page.locator("#explorer-case article").inner_text()


def test_a_model_without_a_crossing_and_one_of_few_cases(browser: Any, tmp_path: Path) -> None:
    tables = [make_records(groups=20, balance=9.0), make_records(groups=2, model="few")]
    with opened(browser, report([analyze(t, replicates=100) for t in tables], tmp_path / "r.html")) as found:
        assert "always text" in numbers(found)["synthetic"][3]


def test_the_data_block_is_plain_json(path: Path) -> None:
    content = path.read_text(encoding="utf-8")
    block = re.search(r'<script type="application/json" id="explorer-data">(.*?)</script>', content, re.S)
    assert block is not None and "<" not in block[1]
    data = json.loads(block[1])
    assert [m["name"] for m in data["models"]] == ["synthetic", NAME] and HOSTILE in data["texts"]
