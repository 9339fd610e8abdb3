"""An export's memory: a model of more than a gigabyte in shards, exported by a process that never holds it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from modalconflict.bundle import load_bundle

HERE = Path(__file__).parent

MAKE = """
import sys, torch
sys.path.insert(0, sys.argv[1])
import tiny_families
from transformers import LlavaNextConfig, LlavaNextForConditionalGeneration

model, processor = tiny_families.llava_next(layers=1)
text = tiny_families._llama(len(processor.tokenizer), int(sys.argv[3]), hidden_size=2048, intermediate_size=8192,
                            num_attention_heads=16, num_key_value_heads=16)
old = model.config
config = LlavaNextConfig(
    vision_config=old.vision_config, text_config=text, image_token_index=old.image_token_id,
    image_grid_pinpoints=old.image_grid_pinpoints, vision_feature_select_strategy="default", vision_feature_layer=-2,
    tie_word_embeddings=False,
)
torch.manual_seed(0)
model = LlavaNextForConditionalGeneration._from_config(config, dtype=torch.bfloat16).eval()
model.save_pretrained(sys.argv[2], max_shard_size="300MB")
processor.save_pretrained(sys.argv[2])
"""

EXPORT = """
import json, resource, sys
import torch
torch.set_num_threads(1)
from modalconflict.export import export_path
import transformers.models.llava_next.modeling_llava_next
import modalconflict.prepare

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

before = peak()
stages = {}
export_path(sys.argv[1], sys.argv[2], progress=lambda stage, done, total: stages.update({stage: peak()}))
print(json.dumps({"before": before, "stages": stages, "peak": peak()}))
"""


@pytest.mark.soak
def test_exporting_a_gigabyte_takes_a_fraction_of_it(tmp_path: Path) -> None:
    source, out = tmp_path / "model", tmp_path / "bundle"
    subprocess.run([sys.executable, "-c", MAKE, str(HERE), str(source), "10"], check=True, capture_output=True)
    weights = sum(path.stat().st_size for path in source.glob("*.safetensors"))
    assert weights > 1.2e9 and len(list(source.glob("*.safetensors"))) > 3
    done = subprocess.run(
        [sys.executable, "-c", EXPORT, str(source), str(out)], check=True, capture_output=True, text=True
    )
    measured = json.loads(done.stdout.splitlines()[-1])
    print(
        f"weights {weights / 2**20:.0f} MiB",
        {k: f"{v / 2**20:.0f} MiB" for k, v in measured["stages"].items()},
        measured,
    )
    assert measured["peak"] - measured["before"] < weights / 2, "not even one copy of the weights"
    assert load_bundle(out).sizes["hidden"] == 2048
