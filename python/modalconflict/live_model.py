"""A live transformers model in the place of a bundle: the same preparation, the same lens, the same reads.

`modalconflict.recording` runs studies with it. Nothing is traced or written: the model's own layers run, and what each
of them reads at the answer position is caught on the way.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from modalconflict.bundle import Bundle, sha256_of
from modalconflict.errors import InvalidArgument, ModelError
from modalconflict.export.parts import ModelParts
from modalconflict.export.programs import vision_input
from modalconflict.export.registry import family_of, recipe_for
from modalconflict.lens_kernel import FinalNorm, LensReads, read_lens
from modalconflict.model import PackReads
from modalconflict.packs import Pack, RunSpec
from modalconflict.pixels import read_image
from modalconflict.prepare import Preparer

__all__ = ["LiveModel", "LivePack", "LivePreparer"]


@dataclass
class LivePack(Pack):
    """A pack that keeps its runs and their prompts: a live model's own processor asks for them."""

    specs: list[RunSpec] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)


class LivePreparer(Preparer):
    """The preparation that a bundle of the model would have, without the bundle."""

    def prepare(self, specs: Sequence[RunSpec]) -> LivePack:
        """Prepare runs as a bundle's preparer does; see `Preparer.prepare`."""
        pack = super().prepare(specs)
        return LivePack(**vars(pack), specs=list(specs), prompts=[self.prompt(spec) for spec in specs])


class LiveModel:
    """A transformers model and its processor behind the interface of `modalconflict.Model`, as far as a study needs it.

    Parameters
    ----------
    model
        A model of a known family in evaluation mode, on any device and in any dtype; or an object that holds one as
        ``_module`` or ``_model``, as nnsight's wrappers do.
    processor
        The model's processor; pocket's is its tokenizer.

    Attributes
    ----------
    info
        family, source, dtype, sizes, stop_token_ids, and sha256: over the configuration and every parameter.
    preparer
        Turns runs into packs.

    Raises
    ------
    InvalidArgument
        If it is no torch module, or in training mode.
    ModelError
        If the family is unknown, or its pieces are not where its recipe expects them.
    """

    def __init__(self, model: Any, processor: Any) -> None:
        self._model = unwrapped(model)
        self._parts = recipe_for(family_of(self._model))(self._model, processor)
        decoder = self._parts.decoder
        self._device, self._dtype = decoder.embed.weight.device, decoder.embed.weight.dtype
        _measure_tiles(self._parts, self._device, self._dtype)
        self._head = _on_cpu(decoder.head.weight)
        self._bias = None if decoder.head.bias is None else _on_cpu(decoder.head.bias)
        entry = decoder.norm_spec()
        norm: Any = decoder.norm
        self._norm = FinalNorm(
            entry["kind"],
            None if norm.weight is None else _on_cpu(norm.weight),
            _on_cpu(norm.bias) if entry["bias"] else None,
            entry["eps"],
            entry["offset"],
        )
        softcap = getattr(decoder.config, "final_logit_softcapping", None)
        self._softcap = None if softcap is None else float(softcap)
        with tempfile.TemporaryDirectory(prefix="modalconflict-") as folder:
            # the processor goes through its files, as a bundle's does
            self.preparer = LivePreparer(_processor_bundle(self._parts, Path(folder)))
        self.info: dict[str, Any] = {
            "family": self._parts.family,
            "source": self._parts.source,
            "dtype": str(self._dtype).removeprefix("torch."),
            "sizes": decoder.sizes,
            "stop_token_ids": self._parts.stop_token_ids,
            "sha256": fingerprint(self._model),
        }

    def __repr__(self) -> str:
        sizes = self.info["sizes"]
        return f"LiveModel({self.info['source']!r}, family={self.info['family']!r}, layers={sizes['layers']})"

    def run(
        self,
        pack: LivePack,
        *,
        top_k: int = 5,
        max_new_tokens: int = 8,
        renyi: Sequence[float] = (),
        tsallis: Sequence[float] = (),
    ) -> PackReads:
        """Run every prompt of a pack, one after the other.

        Parameters
        ----------
        pack
            From this model's `preparer`.
        top_k
            Best tokens kept a lens row.
        max_new_tokens
            Length of the greedy answer in tokens.
        renyi, tsallis
            Orders of further indices of the last row.

        Returns
        -------
        PackReads
            As the engine's; nothing is shared, so that ``prefix_tokens`` is 0.

        Raises
        ------
        InvalidArgument
            If the pack does not come from this model's preparer.
        ModelError
            If the processor gives other tokens than preparation does.
        """
        if not isinstance(pack, LivePack):
            raise InvalidArgument(f"pack is a {type(pack).__name__}; prepare it with this model's own preparer")
        begin = time.perf_counter()
        limit = min(top_k, self.info["sizes"]["vocab"])
        answers = [self._answer(pack, index, max_new_tokens) for index in range(len(pack))]
        groups = [pack.candidates(i, side).tolist() for i in range(len(pack)) for side in ("text", "vision")]
        reads = [
            self._read(answer.states, [g for g in groups[2 * i : 2 * i + 2]], limit, renyi, tsallis)
            for i, answer in enumerate(answers)
        ]
        prompt_tokens = len(pack.arrays["ids"])
        stats = {
            "seconds": time.perf_counter() - begin,
            "prompt_tokens": prompt_tokens,
            "prefix_tokens": 0,
            "suffix_tokens": prompt_tokens,
            "prefilled_tokens": prompt_tokens,
            "shared_tokens": 0,
            "images_encoded": int((pack.arrays["image_index"] >= 0).sum()),
        }
        return _pack_reads(reads, answers, stats, self.preparer.decode)

    def _read(
        self,
        states: npt.NDArray[np.float32],
        groups: list[list[int]],
        top_k: int,
        renyi: Sequence[float],
        tsallis: Sequence[float],
    ) -> LensReads:
        rows = len(states)
        return read_lens(
            states,
            self._head,
            norm=self._norm,
            bias=self._bias,
            softcap=self._softcap,
            final_row=np.full(rows, rows - 1),
            # an empty group is no group: its logit is NaN, as where there is no such answer
            groups=[group for group in groups if group],
            row_groups=np.tile(_numbers(groups), (rows, 1)),
            top_k=top_k,
            renyi=renyi,
            tsallis=tsallis,
        )

    def _inputs(self, pack: LivePack, index: int, ids: torch.Tensor) -> dict[str, torch.Tensor]:
        """What the model takes besides tokens, by its own processor."""
        spec, processor = pack.specs[index], self._parts.original_processor
        if processor is None:
            given: dict[str, torch.Tensor] = pack.image_inputs(index) or {}
        else:
            prompt = pack.prompts[index]
            images = {} if spec.image is None else {"images": [read_image(spec.image, spec.case_id)]}
            bos = self.preparer.tokenizer.bos_token
            special = self.preparer.add_special_tokens and not (bos and prompt.startswith(bos))
            out = processor(text=[prompt], return_tensors="pt", add_special_tokens=special, **images)
            if not torch.equal(out["input_ids"][0], ids):
                raise ModelError(
                    f"The processor gives other tokens than preparation for the case '{spec.case_id}'; use the processor "
                    "that belongs to the model."
                )
            given = {name: t for name, t in out.items() if name not in ("input_ids", "attention_mask")}
        return {
            name: tensor.to(self._device, self._dtype if tensor.is_floating_point() else tensor.dtype)
            for name, tensor in given.items()
        }

    def _answer(self, pack: LivePack, index: int, max_new_tokens: int) -> _Answer:
        ids = torch.from_numpy(np.array(pack.ids(index)))
        given = self._inputs(pack, index, ids)
        readers = (*self._parts.decoder.layers, self._parts.decoder.norm)
        with torch.no_grad(), _caught(readers) as states:
            step = _cached_steps if hasattr(self._model, "generate") else _plain_steps
            logits = step(self._model, self._parts, ids.to(self._device), given, max_new_tokens)
        answer = _Answer(np.stack(states))
        for row in logits:
            row = row.float()
            token = int(row.argmax())
            if not bool(torch.isfinite(row.max())):
                answer.broken = len(answer.ids) + 1
                break
            if token in self._parts.stop_token_ids:
                answer.stopped = True
                break
            answer.ids.append(token)
            answer.log_probs.append(float(row.double().log_softmax(-1)[token]))
        return answer


@dataclass
class _Answer:
    """States (R, d) at the answer position, and the greedy answer."""

    states: npt.NDArray[np.float32]
    ids: list[int] = field(default_factory=list)
    log_probs: list[float] = field(default_factory=list)
    stopped: bool = False
    broken: int = 0


def unwrapped(model: Any) -> torch.nn.Module:
    """The torch module behind a wrapper such as nnsight's.

    Raises
    ------
    InvalidArgument
        If there is none, or it is in training mode.
    """
    inner = model
    while not isinstance(inner, torch.nn.Module):
        held = next(
            (vars(inner)[name] for name in ("_module", "_model") if name in getattr(inner, "__dict__", {})), None
        )
        if held is None:
            break
        inner = held
    if not isinstance(inner, torch.nn.Module):
        raise InvalidArgument(f"a {type(model).__name__} is no torch model; give the transformers model itself")
    if inner.training:
        raise InvalidArgument("the model is in training mode, where dropout is active; call model.eval() first")
    return inner


def fingerprint(model: torch.nn.Module) -> str:
    """SHA-256 over a model's configuration and the names, types and values of all its parameters and buffers."""
    digest = hashlib.sha256()
    config: Any = getattr(model, "config", None)
    if config is not None and hasattr(config, "to_dict"):
        digest.update(json.dumps(config.to_dict(), sort_keys=True, default=str).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _on_cpu(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().cpu()


def _numbers(groups: list[list[int]]) -> npt.NDArray[np.int64]:
    """Numbers of the groups among those that are not empty, -1 for an empty one."""
    there = np.array([bool(group) for group in groups])
    return np.where(there, np.cumsum(there) - 1, -1)


def _measure_tiles(parts: ModelParts, device: torch.device, dtype: torch.dtype) -> None:
    """Ask the vision tower how many rows a tile gives, where the recipe leaves that to be measured."""
    if parts.image_inputs["kind"] != "tiles" or "tokens" in parts.image_inputs:
        return
    with torch.no_grad():
        example = [vision_input(name, tensor, dtype).to(device) for name, tensor in parts.vision_inputs.items()]
        out = parts.vision(*example)
        rows = out[0] if isinstance(out, tuple) else out
        rows = rows if parts.projector is None else parts.projector(rows)
    parts.image_inputs["tokens"] = int(rows.shape[1])


def _processor_bundle(parts: ModelParts, folder: Path) -> Bundle:
    """A bundle's description with nothing in it but what preparation reads."""
    (folder / "processor").mkdir()
    parts.save_processor(folder / "processor")
    files = {
        path.relative_to(folder).as_posix(): {"sha256": sha256_of(path), "size": path.stat().st_size}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    manifest = {
        "family": parts.family,
        "sizes": parts.decoder.sizes,
        "image_token_id": parts.image_token_id,
        "prompt": parts.prompt | {"image_inputs": parts.image_inputs},
        "ropes": {name: {"position_dims": parts.position_dims} for name in parts.decoder.ropes},
        "files": files,
    }
    return Bundle(folder, manifest, "")


@contextmanager
def _caught(readers: Sequence[torch.nn.Module]) -> Iterator[list[npt.NDArray[np.float32]]]:
    """Catch what each reader is given at the last position when it first runs: every layer's input, un-normed."""
    states: list[npt.NDArray[np.float32]] = []

    def catch(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if len(states) < len(readers):
            hidden = args[0] if args else kwargs["hidden_states"]
            states.append(hidden[0, -1].detach().float().cpu().numpy())

    handles = [reader.register_forward_pre_hook(catch, with_kwargs=True) for reader in readers]
    try:
        yield states
    finally:
        for handle in handles:
            handle.remove()


def _cached_steps(
    model: Any, parts: ModelParts, ids: torch.Tensor, given: dict[str, torch.Tensor], max_new_tokens: int
) -> list[torch.Tensor]:
    """Raw logits (V,) of every greedy step by the model's own ``generate``."""
    from transformers import GenerationConfig

    settings: Any = GenerationConfig
    # The model's own settings may sample or punish repetition; a study's answers are greedy.
    before = model.generation_config
    plain = settings(eos_token_id=parts.stop_token_ids, pad_token_id=parts.stop_token_ids[0])
    model.generation_config = plain
    try:
        out = model.generate(
            input_ids=ids[None],
            attention_mask=torch.ones_like(ids)[None],
            max_new_tokens=max_new_tokens,
            do_sample=False,
            output_logits=True,
            return_dict_in_generate=True,
            **given,
        )
    finally:
        model.generation_config = before
    return [step[0] for step in out.logits]


def _plain_steps(
    model: Any, parts: ModelParts, ids: torch.Tensor, given: dict[str, torch.Tensor], max_new_tokens: int
) -> list[torch.Tensor]:
    """The same for a model without ``generate``: the whole prompt again for every token."""
    steps: list[torch.Tensor] = []
    while len(steps) < max_new_tokens:
        steps.append(parts.reference(ids[None], given)[0, -1])
        token = int(steps[-1].argmax())
        if token in parts.stop_token_ids:
            break
        ids = torch.cat([ids, ids.new_tensor([token])])
    return steps


def _pack_reads(
    reads: list[LensReads],
    answers: list[_Answer],
    stats: dict[str, float],
    decode: Callable[[Sequence[int]], str],
) -> PackReads:
    """What the engine would return, from single runs."""
    status = []
    for read, answer in zip(reads, answers, strict=True):
        broken = np.flatnonzero(~read.finite)
        if len(broken):
            status.append(f"non-finite logits at layer {broken[0]} of {len(read.finite) - 1}")
        else:
            status.append(f"non-finite logits at generated token {answer.broken}" if answer.broken > 1 else "ok")
    ok = np.array([state == "ok" for state in status])

    def rows(name: str) -> npt.NDArray[Any]:
        values = np.stack([getattr(read, name) for read in reads])
        values[~ok] = -1 if values.dtype.kind == "i" else np.nan
        return values

    def last(name: str) -> npt.NDArray[Any]:
        return rows(name)[:, -1]

    chosen = rows("chosen").astype(np.float32)
    log_probs = [answer.log_probs if good else [] for answer, good in zip(answers, ok, strict=True)]
    return PackReads(
        entropy=rows("entropy"),
        kl_final=rows("kl_final"),
        top_ids=rows("top_ids"),
        top_logits=rows("top_logits"),
        logit_text=chosen[:, :, 0],
        logit_vision=chosen[:, :, 1],
        max_prob=last("one_minus_max"),
        margin=last("one_minus_margin"),
        varentropy=last("varentropy"),
        gini=last("gini"),
        top_k_entropy=last("top_k_entropy"),
        log_normalizer=last("log_normalizer"),
        renyi=last("renyi"),
        tsallis=last("tsallis"),
        answer_ids=[answer.ids if good else [] for answer, good in zip(answers, ok, strict=True)],
        answer_log_probs=log_probs,
        answer_log_prob=np.array([sum(p) if good else np.nan for p, good in zip(log_probs, ok, strict=True)]),
        answer_stopped=[answer.stopped and bool(good) for answer, good in zip(answers, ok, strict=True)],
        status=status,
        stats=stats,
        _decode=decode,
    )
