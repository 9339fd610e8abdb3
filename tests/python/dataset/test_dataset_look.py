"""Contact sheet and data card: the right numbers and pictures, escaped, self-contained."""

import html.parser
import json
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import modalconflict as mc
from pictures import GOOD, picture, shades


@pytest.fixture(scope="module")
def color(tmp_path_factory):
    return mc.datasets.color_recognition(groups=12, seed=5, out=tmp_path_factory.mktemp("look") / "color")


def imported(folder, rows):
    return mc.datasets.from_table(pd.DataFrame(rows), out=folder)


def test_sheet_shows_every_tier_of_every_chosen_group(color, tmp_path):
    sheet = color.contact_sheet(groups=3, out=tmp_path / "sheet.png")
    assert sheet.mode == "RGB"
    with Image.open(tmp_path / "sheet.png") as saved:
        assert saved.size == sheet.size and saved.format == "PNG"
    assert (tmp_path / "sheet.png").stat().st_size < 400_000
    pixels = np.asarray(sheet)
    # each picture has a frame of one grey: count the columns of frames in the first row of pictures
    frame = (pixels == (227, 228, 224)).all(axis=2)
    top = int(np.argmax(frame.sum(axis=1) > 400))
    edges = np.flatnonzero(np.diff(frame[top].astype(int)) == 1)
    assert len(edges) == 14
    assert int((frame.sum(axis=1) > 400).sum()) >= 3


def test_sheet_of_single_pictures_stands_side_by_side(tmp_path):
    data = imported(tmp_path / "d", [{**GOOD, "image": p} for p in shades(8)])
    few, many = data.contact_sheet(groups=2), data.contact_sheet(groups=8)
    assert few.width < many.width and many.height > few.height


def test_sheet_survives_strange_texts(tmp_path):
    texts = ["a" * 3000, "\n".join("xyz"), "中文 🙂 \u202e reversed", "\x07"]
    data = imported(tmp_path / "d", [{**GOOD, "image": picture(), "text": f"{i} {t}"} for i, t in enumerate(texts)])
    assert data.contact_sheet(groups=4).width > 100


@pytest.mark.parametrize("groups", [0, 61])
def test_sheet_bounds(color, groups):
    with pytest.raises(mc.InvalidArgument, match="a contact sheet shows 1 to 60"):
        color.contact_sheet(groups=groups)


def test_sheet_and_card_name_their_files(color, tmp_path):
    with pytest.raises(mc.InvalidArgument, match=r"is no \.png file"):
        color.contact_sheet(out=tmp_path / "sheet.jpg")
    with pytest.raises(mc.InvalidArgument, match=r"is no \.html file"):
        color.card(tmp_path / "card.txt")
    for call in (lambda p: color.contact_sheet(out=p / "s.png"), lambda p: color.card(p / "c.html")):
        with pytest.raises(mc.IoError, match="cannot write"):
            call(tmp_path / "none")


def test_summary_counts_what_the_manifest_says(color):
    found = mc.datasets.summary(color)
    table = color.table.to_pandas()
    assert (found["cases"], found["groups"], found["pictures"], found["texts"]) == (504, 12, 168, 36)
    by_group = table.groupby("group").first()
    assert found["answers_vision"] == by_group["answer_vision"].value_counts().to_dict()
    assert found["answers_text"] == by_group["answer_text"].value_counts().to_dict()
    pictures = table.drop_duplicates("image")
    for tier, rows in pictures.groupby("d_v"):
        shown = found["image_tiers"][tier]
        assert shown["visible_fraction_least"] == rows["visible_fraction"].min()
        assert shown["visible_fraction_mean"] == pytest.approx(rows["visible_fraction"].mean())
        if tier:
            assert shown["occlusion_achieved"] == pytest.approx((rows["occluded_count"] / rows["distractors"]).mean())
    words = table.drop_duplicates(["group", "d_t"]).groupby("d_t")["text_words"]
    assert [t["words_mean"] for t in found["text_tiers"]] == pytest.approx(words.mean().tolist())
    json.dumps(found, allow_nan=False)


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.text, self.open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [v for k, v in attributes if k in ("src", "href", "srcset", "data")]
        if tag not in ("meta", "img", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_card_needs_no_other_file_and_tells_both_themes(color, tmp_path):
    text = color.card(tmp_path / "card.html").read_text()
    page = Page(text)
    assert page.open == [] and "script" not in page.tags and "link" not in page.tags
    assert page.links and all(link.startswith("data:image/png;base64,") for link in page.links)
    assert len(page.links) == 14
    assert "prefers-color-scheme: dark" in text and not re.search(r"url\(|@import|https?://", text)
    words = " ".join("".join(page.text).split())
    for piece in ("504", "cases", "168", "Balance of the answers", "overlap measured", "80 %", "words on average"):
        assert piece in words


def test_card_escapes_the_data(tmp_path):
    evil = "<script>alert(1)</script>\"'&"
    rows = [{**GOOD, "image": picture(), **{k: f"{v} {evil}" for k, v in GOOD.items()}, "target": evil}]
    text = imported(tmp_path / "d", rows).card(tmp_path / "card.html").read_text()
    page = Page(text)
    assert "script" not in page.tags and "<script" not in text
    assert evil in "".join(page.text)


def test_card_of_many_answers_stays_short(tmp_path):
    rows = [{**GOOD, "image": p, "answer_text": f"answer {i}"} for i, p in enumerate(shades(60))]
    text = imported(tmp_path / "d", rows).card(tmp_path / "card.html").read_text()
    assert "37 others" in text and text.count('scope="row"') <= 26
    assert "overlap measured" not in text, "nothing was measured on imported pictures"


def test_card_tells_controls_apart(tmp_path):
    data = mc.datasets.color_recognition(groups=2, controls=["blank_image"], out=tmp_path / "d")
    found = mc.datasets.summary(data)
    assert set(found["controls"]) == {"none", "blank_image"}
    assert sum(found["answers_vision"].values()) == 2, "a control's cases are no conflict"
    assert "blank image" in data.card(tmp_path / "card.html").read_text()


def test_notebook_shows_pictures(color):
    shown = color._repr_html_()
    assert shown.startswith("<p>Dataset(color_recognition: 504 cases") and "data:image/png;base64," in shown
