"""Records from a server: bounds of the entropy, the client against a misbehaving stub, a whole study and its analysis."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy as scipy_entropy
from typer.testing import CliRunner

import modalconflict as mc
from modalconflict.api import ChatClient, entropy_bounds
from modalconflict.api.client import UnusableAnswer, image_part, read_completion, text_part
from modalconflict.api.study import first_token_class
from modalconflict.cli.app import app
from modalconflict.errors import InvalidArgument, IoError, ModelError
from stub_server import Reply, completion, shows_image, stub_server, words_of
from synthetic_study import make_dataset

QUICK = {"timeout": 5.0, "longest_wait": 0.01}
GOOD = completion("Red", {"Red": 0.6, " red": 0.3, "Blue": 0.05})


# the bounds


@given(
    st.lists(st.floats(1e-6, 1.0), min_size=2, max_size=40).map(np.array),
    st.integers(1, 40),
)
def test_the_bounds_hold_the_entropy_of_every_distribution(weights: np.ndarray, known: int) -> None:
    p = np.sort(weights / weights.sum())[::-1]
    best = np.log(p[:known]).tolist()
    bounds = entropy_bounds(best, vocabulary=len(p))
    truth = scipy_entropy(p)
    assert bounds.upper is not None
    assert bounds.lower <= truth + 1e-9
    assert bounds.upper >= truth - 1e-9
    assert bounds.residual == pytest.approx(p[known:].sum(), abs=1e-9)
    assert bounds.max_prob == pytest.approx(1 - p[0], abs=1e-9)
    if known >= 2:
        assert bounds.margin == pytest.approx(1 - p[0] + p[1], abs=1e-9)
    assert bounds.exact == (known >= len(p))
    if bounds.exact:
        assert bounds.lower == pytest.approx(truth, abs=1e-9) == bounds.upper


def test_the_lower_bound_is_the_top_k_entropy_of_the_lens() -> None:
    logits = np.random.default_rng(3).normal(size=(4, 500)) * 3
    for row in logits:
        log_p = row - np.log(np.exp(row).sum())
        best = np.sort(log_p)[::-1][:20]
        assert entropy_bounds(best.tolist()).lower == pytest.approx(
            mc.uncertainty(row, index="top_k_entropy", k=20), abs=1e-6
        )


def test_without_a_vocabulary_there_is_no_upper_bound() -> None:
    assert entropy_bounds([math.log(0.5)]).upper is None
    certain = entropy_bounds([0.0, -9999.0, -math.inf], vocabulary=100)
    assert (certain.lower, certain.upper, certain.residual) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("logprobs", "vocabulary", "words"),
    [
        ([], None, "no token"),
        ([math.nan], None, "logprobs\\[0\\]"),
        ([0.3], None, "at most 0"),
        ([math.log(0.8), math.log(0.7)], None, "sum to 1.5"),
        ([math.log(0.5), math.log(0.2)], 1, "vocabulary is 1"),
    ],
)
def test_what_is_no_distribution_is_refused(logprobs: list[float], vocabulary: int | None, words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        entropy_bounds(logprobs, vocabulary)


# reading answers


def test_answers_in_the_shapes_of_vllm_and_llama_cpp() -> None:
    vllm = {
        "id": "chatcmpl-a", "object": "chat.completion", "created": 1, "model": "llava",
        "choices": [{
            "index": 0, "finish_reason": "stop", "stop_reason": None,
            "message": {"role": "assistant", "content": "Blue", "reasoning_content": None, "tool_calls": []},
            "logprobs": {"content": [
                {"token": "Blue", "logprob": -0.1, "bytes": [66], "top_logprobs": [
                    {"token": "Blue", "logprob": -0.1, "bytes": [66]}, {"token": "Red", "logprob": -2.5, "bytes": [82]}]},
                {"token": "</s>", "logprob": -0.01, "bytes": [], "top_logprobs": []},
            ]},
        }],
        "usage": {"prompt_tokens": 600, "completion_tokens": 2},
    }  # fmt: skip
    answer = read_completion(vllm)
    assert (answer.text, answer.tokens, answer.logprobs, answer.complete) == (
        "Blue",
        ("Blue", "Red"),
        (-0.1, -2.5),
        True,
    )
    llama_cpp = {
        "choices": [{
            "finish_reason": "length", "index": 0, "message": {"role": "assistant", "content": "Red and"},
            "logprobs": {"content": [
                {"id": 1, "token": "Red", "bytes": [82], "logprob": -0.7, "top_logprobs": [
                    {"id": 2, "token": "Blue", "bytes": [66], "logprob": -0.9}]}]},
        }],
        "timings": {"prompt_n": 5},
    }  # fmt: skip
    answer = read_completion(llama_cpp)
    assert (answer.tokens, answer.complete) == (("Red", "Blue"), False)  # the chosen token is not among its best


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], "no chat completion"),
        ({"choices": []}, "no chat completion"),
        ({"choices": [{"message": {"content": None}}]}, "no text"),
        ({"choices": [{"message": {"content": ""}, "logprobs": {"content": []}}]}, "no token at all"),
        ({"choices": [{"message": {"content": "a"}, "logprobs": {"content": [{"token": "a"}]}}]}, "malformed"),
        ({"choices": [{"message": {"content": "a"}, "logprobs": {"content": [{"token": "a", "logprob": "x"}]}}]}, "malformed"),
    ],
)  # fmt: skip
def test_what_is_no_answer_says_what_is_missing(document: Any, words: str) -> None:
    with pytest.raises(UnusableAnswer, match=words):
        read_completion(document)


def test_a_server_without_logprobs_is_refused_whole() -> None:
    with pytest.raises(ModelError, match="gives no logprobs") as caught:
        read_completion({"choices": [{"message": {"content": "Red"}, "logprobs": None}]})
    assert not isinstance(caught.value, UnusableAnswer)


@pytest.mark.parametrize(
    ("token", "expected"),
    [("blue", "text"), (" Bl", "text"), ("R", "vision"), ("", "other"), ("green", "other"), ("blueish", "other")],
)
def test_the_first_token_belongs_to_the_answer_it_begins(token: str, expected: str) -> None:
    assert first_token_class(token, "blue", "red") == expected


def test_a_token_that_begins_both_answers_says_nothing() -> None:
    assert first_token_class("b", "blue", "black") == "other"


# the client


def client(url: str, **options: Any) -> ChatClient:
    return ChatClient(url, "stub", **{**QUICK, **options})


def test_the_request_asks_for_greedy_tokens_with_logprobs(tmp_path: Path) -> None:
    image = tmp_path / "a.png"
    image.write_bytes(b"\x89PNG")
    with stub_server(lambda body, n: (200, GOOD)) as stub, client(stub.url, key="secret", top_logprobs=7) as asked:
        answer = asked.ask([image_part(image), text_part("What color?")])
    assert answer.tokens == ("Red", " red", "Blue")
    body = stub.requests[0]
    assert (body["model"], body["temperature"], body["logprobs"], body["top_logprobs"]) == ("stub", 0, True, 7)
    assert body["messages"][0]["content"][0]["image_url"]["url"] == "data:image/png;base64,iVBORw=="
    assert stub.headers[0]["Authorization"] == "Bearer secret"


@pytest.mark.parametrize("failure", [(429, {"error": {"message": "slow down"}}), (500, b"oops"), (503, {})])
def test_a_busy_or_failing_server_is_asked_again(failure: Reply) -> None:
    with stub_server(lambda body, n: failure if n < 3 else (200, GOOD)) as stub, client(stub.url) as asked:
        assert asked.ask([text_part("?")]).text == "Red"
        assert len(stub.requests) == 3


@pytest.mark.parametrize("broken", [b"", b'{"choices": [{"mess', b"<html>gateway</html>"])
def test_json_that_is_cut_off_is_asked_for_again_and_then_given_up(broken: bytes) -> None:
    with stub_server(lambda body, n: (200, broken)) as stub, client(stub.url, attempts=3) as asked:
        with pytest.raises(IoError, match="3 attempts .its answer is no JSON.*--resume"):
            asked.ask([text_part("?")])
        assert len(stub.requests) == 3


def test_a_silent_server_is_given_up_after_the_last_attempt() -> None:
    with (
        stub_server(lambda body, n: (200, GOOD), delay=0.4) as stub,
        client(stub.url, timeout=0.05, attempts=2) as asked,
        pytest.raises(IoError, match="no answer in time"),
    ):
        asked.ask([text_part("?")])


def test_a_server_that_is_not_there() -> None:
    with client("http://127.0.0.1:9/v1", attempts=2) as asked, pytest.raises(IoError, match="2 attempts .ConnectError"):
        asked.ask([text_part("?")])


@pytest.mark.parametrize("status", [401, 404])
def test_a_refused_key_or_path_is_not_tried_again(status: int) -> None:
    with (
        stub_server(lambda body, n: (status, {"error": {"message": "not for you"}})) as stub,
        client(stub.url) as asked,
        pytest.raises(IoError, match=f"status {status}: not for you.*key"),
    ):
        asked.ask([text_part("?")])
    assert len(stub.requests) == 1


@pytest.mark.parametrize(
    ("url", "options", "words"),
    [
        ("localhost:8000", {}, "no http or https URL"),
        ("", {}, "no http or https URL"),
        ("http://user:pass@host/v1", {}, "password"),
        ("http://host/v1", {"top_logprobs": 0}, "top_logprobs is 0"),
        ("http://host/v1", {"attempts": 0}, "attempts is 0"),
        ("http://host/v1", {"timeout": 0.0}, "timeout is 0"),
    ],
)
def test_options_out_of_range_are_refused(url: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        ChatClient(url, "m", **options)


# a study


def answers_by_text(body: dict[str, Any], _: int) -> Reply:
    """A model that follows the text whenever there is one, and is less sure when there is an image too."""
    words = words_of(body)
    names = ("red", "yellow", "blue", "green", "purple", "orange")
    said = next((n for n in names if n in words), None)
    certainty = 0.7 if shows_image(body) else 0.9
    answer = said or "red"
    return 200, completion(answer.capitalize(), {answer.capitalize(): certainty, " of": 0.05})


def test_a_study_over_http_becomes_records_that_the_analysis_takes(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data")
    with stub_server(answers_by_text) as stub:
        result = mc.api.run(stub.url, "stub", data, tmp_path / "study", vocabulary=1000, **QUICK)
    assert (result.groups, result.runs, result.failed) == (3, 3 * (2 + 2 + 4), 0)
    table = mc.read_records(tmp_path / "study").to_pandas()
    assert set(table["entropy_kind"]) == {"lower_bound"}
    assert (table["entropy"] < table["entropy_upper"]).all()
    np.testing.assert_allclose(
        table["residual_mass"], np.where(table["condition"] == "text_only", 0.05, 0.25), atol=1e-9
    )
    p = np.array([0.9, 0.05, 0.05])
    alone = table[table["condition"] == "text_only"]
    np.testing.assert_allclose(alone["entropy"], scipy_entropy(p), atol=1e-9)
    assert alone["correct"].all()
    assert (alone["first_token_class"] == "text").all()
    assert mc.records.uncertainty_columns(mc.read_records(tmp_path / "study")) == [
        "entropy", "max_prob", "margin", "top_k_entropy",
    ]  # fmt: skip
    analysis = mc.analyze(tmp_path / "study", cases="all", replicates=100)
    assert analysis.models[0].summary["counts"]["cases"] == 12


def test_the_order_of_image_and_text_is_the_messages(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data", groups=1, v_tiers=1, t_tiers=1)
    for order, kinds in (("image_first", ["image_url", "text"]), ("text_first", ["text", "image_url", "text"])):
        with stub_server(answers_by_text) as stub:
            mc.api.run(stub.url, "stub", data, tmp_path / order, order=order, concurrency=1, **QUICK)
        assert [p["type"] for p in stub.requests[-1]["messages"][0]["content"]] == kinds


def test_a_study_that_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data")

    def until_the_second_group(body: dict[str, Any], number: int) -> Reply:
        return answers_by_text(body, number) if number <= 10 else (401, {"error": "expired"})

    with stub_server(until_the_second_group) as stub:
        with pytest.raises(IoError, match="status 401"):
            mc.api.run(stub.url, "stub", data, tmp_path / "study", concurrency=1, **QUICK)
        first = (tmp_path / "study" / "records" / "part-000000.parquet").read_bytes()
        with pytest.raises(IoError, match="--resume"):
            mc.api.run(stub.url, "stub", data, tmp_path / "study", **QUICK)
        with pytest.raises(IoError, match="another study .*model"):
            mc.api.run(stub.url, "other", data, tmp_path / "study", resume=True, **QUICK)
        url = stub.url
    study = json.loads((tmp_path / "study" / "study.json").read_text())
    assert study["options"]["url"] == url
    assert "key" not in json.dumps(study["options"])
    assert (tmp_path / "study" / "records" / "part-000000.parquet").read_bytes() == first


def test_resuming_asks_only_for_the_groups_that_are_missing(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data")
    with stub_server(answers_by_text) as stub:
        mc.api.run(stub.url, "stub", data, tmp_path / "study", limit=1, **QUICK)
        assert len(stub.requests) == 8
        result = mc.api.run(stub.url, "stub", data, tmp_path / "study", resume=True, **QUICK)
        assert len(stub.requests) == 24
        assert (result.groups, result.new_runs) == (3, 16)


def test_a_case_that_the_server_refuses_is_recorded_and_the_study_goes_on(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data", groups=1)

    def refusing(body: dict[str, Any], number: int) -> Reply:
        too_long = {"error": {"message": "the prompt is too long", "code": 400}}
        return (400, too_long) if shows_image(body) and "Text 1" in words_of(body) else answers_by_text(body, number)

    with stub_server(refusing) as stub:
        result = mc.api.run(stub.url, "stub", data, tmp_path / "study", **QUICK)
        assert result.failed == 2
        status = mc.read_records(tmp_path / "study")["status"].to_pylist()
        assert sum("too long" in s for s in status) == 2
        with pytest.raises(ModelError, match="case .*too long.*--strict"):
            mc.api.run(stub.url, "stub", data, tmp_path / "strict", strict=True, **QUICK)


def test_the_command_line_runs_a_study_over_http(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mc.datasets.color_recognition(groups=1, seed=0, out=tmp_path / "data")
    monkeypatch.setenv("MY_KEY", "from the environment")
    with stub_server(answers_by_text) as stub:
        result = CliRunner().invoke(
            app,
            ["run", "--api", stub.url, "--model-name", "stub", "--data", str(tmp_path / "data"), "--out",
             str(tmp_path / "study"), "--api-key-env", "MY_KEY", "--vocabulary", "1000"],
        )  # fmt: skip
        assert result.exit_code == 0, result.output
        assert "59 runs of 1 groups" in result.output
        assert stub.headers[0]["Authorization"] == "Bearer from the environment"
    for arguments, words in (
        (["--api", "http://127.0.0.1:9/v1"], "--model-name"),
        (["--model-name", "x"], "--api"),
        (["--api", "http://127.0.0.1:9/v1", "--model-name", "x", "--model", "b"], "--model"),
    ):
        wrong = CliRunner().invoke(
            app, ["run", *arguments, "--data", str(tmp_path / "data"), "--out", str(tmp_path / "o")]
        )
        assert wrong.exit_code == 2, wrong.output
        assert words in wrong.output
