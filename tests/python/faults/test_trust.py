"""A bundle's programs run only after their checksums matched, unless the user says --trust."""

from __future__ import annotations

from pathlib import Path

import pytest

import modalconflict as mc
from faults.bad_inputs import clear_sentence
from test_engine_errors import reseal
from tiny_bundles import copy_of, tiny_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return copy_of(tiny_bundle("llava")[2], tmp_path)


def program_of(bundle: Path) -> Path:
    return sorted((bundle / "programs").iterdir())[0]


def spoil(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[: len(content) // 2] = b"\0" * (len(content) // 2)
    path.write_bytes(content)


def test_an_altered_program_is_refused_before_it_is_opened(bundle: Path) -> None:
    spoil(program_of(bundle))
    with pytest.raises(mc.IoError, match="differs from its SHA-256"):
        mc.load_model(bundle)
    with pytest.raises(mc.ModelError, match="no TorchScript program"):
        mc.load_model(bundle, trust=True)  # trusted, so that LibTorch itself must find it out


def test_libtorch_has_one_short_sentence_for_a_damaged_program(bundle: Path) -> None:
    for damage in (spoil, lambda p: p.write_bytes(b""), lambda p: p.write_bytes(p.read_bytes()[:-200])):
        damage(program_of(bundle))
        reseal(bundle)
        with pytest.raises(mc.ModelError) as caught:
            mc.load_model(bundle)
        assert clear_sentence(caught.value) is None
        assert len(str(caught.value)) - len(str(bundle)) < 300


def test_trust_skips_checksums_and_nothing_else(bundle: Path) -> None:
    extra = next(p for p in sorted((bundle / "processor").iterdir()) if p.suffix == ".json")
    content = extra.read_bytes()
    extra.write_bytes(content[:-1] + b" ")  # of the same size
    with pytest.raises(mc.IoError, match="differs from its SHA-256"):
        mc.load_model(bundle)
    assert mc.load_model(bundle, trust=True).info["sha256"] == mc.load_bundle(bundle, verify=False).sha256
    extra.write_bytes(content + b" ")
    with pytest.raises(mc.IoError, match="bytes instead of"):
        mc.load_model(bundle, trust=True)


def test_a_link_out_of_the_bundle_is_refused_even_with_trust(bundle: Path, tmp_path: Path) -> None:
    program = program_of(bundle)
    elsewhere = tmp_path / "elsewhere.pt"
    program.rename(elsewhere)
    program.symlink_to(elsewhere)
    for trust in (False, True):
        with pytest.raises(mc.IoError, match="leads out of the bundle's folder"):
            mc.load_model(bundle, trust=trust)
    with pytest.raises(mc.IoError, match="is a link out of its folder"):
        mc.load_bundle(bundle)
