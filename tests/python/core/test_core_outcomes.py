"""Outcomes, text-following rate and oscillations."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import modalconflict as mc


def test_one_case_and_many():
    assert mc.classify_outcome("Blue.", " blue", "red") == "text"
    found = mc.classify_outcome(["red", "teal", "blue"], ["blue", "blue", "blue"], ["red", "red", "Blue"])
    assert found.tolist() == ["vision", "other", "no_conflict"]
    assert mc.classify_outcome("Blue", "blue", "red", normalize=False) == "other"


@pytest.mark.parametrize(
    ("raw", "normal"),
    [(" Red.\n", "red"), ('"U.S. mailbox"', "u.s. mailbox"), ("ＲＥＤ", "red"), ("...", ""), ("a  b", "a b")],
)
def test_answers_are_normalised(raw, normal):
    assert mc.normalize_answer(raw) == normal


@given(st.lists(st.sampled_from(["text", "vision", "other", "no_conflict"])))
def test_rate_is_the_share_among_followers(outcomes):
    counts = mc.count_outcomes(outcomes)
    followers = [o for o in outcomes if o in ("text", "vision")]
    assert counts.text + counts.vision == len(followers)
    if followers:
        assert mc.text_following_rate(outcomes) == pytest.approx(np.mean([o == "text" for o in followers]))
    else:
        assert np.isnan(mc.text_following_rate(outcomes))
    assert counts.to_dict()["other"] == outcomes.count("other")


def test_rate_takes_the_array_that_classify_returns():
    assert mc.text_following_rate(mc.classify_outcome(["a", "b"], ["a", "a"], ["b", "b"])) == 0.5


@given(st.lists(st.sampled_from(["vision", "text", "irrelevant"]), max_size=40))
def test_oscillations_by_the_definition(labels):
    kept = [label for label in labels if label != "irrelevant"]
    expected = sum(1 for _ in itertools.groupby(kept)) - 1 if kept else 0
    assert mc.count_oscillations(labels) == expected
    thirds = mc.count_oscillations(labels, by_third=True)
    assert thirds.shape == (3,)
    assert thirds.sum() == expected


def test_oscillations_of_many_cases():
    labels = np.array([["vision", "text", "vision"], ["text", "irrelevant", "text"]])
    assert mc.count_oscillations(labels).tolist() == [2, 0]
    assert mc.count_oscillations(labels, by_third=True).tolist() == [[0, 1, 1], [0, 0, 0]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mc.classify_outcome("a", ["a"], "b"), "mix strings and sequences"),
        (lambda: mc.classify_outcome(["a"], ["a", "b"], ["b"]), "differ in length"),
        (lambda: mc.classify_outcome(["a"], [None], ["b"]), r"y_text\[0\] is None"),
        (lambda: mc.classify_outcome(["a", "a"], ["a", "."], ["b", "b"]), "case 1: y_text is empty"),
        (lambda: mc.text_following_rate(["text", "txt"]), r"outcomes\[1\]: 'txt'"),
        (lambda: mc.text_following_rate(["text", None]), r"outcomes\[1\] is None"),
        (lambda: mc.text_following_rate("text"), "one string"),
        (lambda: mc.count_oscillations(["vision", "image"]), r"labels\[0\]\[1\]: 'image'"),
        (lambda: mc.count_oscillations(["vision", ["text"]]), "mixes words and sequences"),
        (lambda: mc.count_oscillations("vision"), "one string"),
        (lambda: mc.count_oscillations([["vision", 3]]), r"labels\[0\]\[1\] is 3"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(mc.InvalidArgument, match=message):
        call()
