"""Questions packed into sequences: several about one image share its tokens, and a mask keeps them apart."""

from __future__ import annotations

from typing import Any

import torch

from modalconflict.pocket.modeling import NUM_IMAGE_TOKENS
from modalconflict.pocket.prompt import PROMPT_END, PROMPT_START, STOP_TOKEN
from modalconflict.pocket.training_data import COLORS


class Caption(list[int]):
    """Token ids of a request and its answer of many tokens, which begins at ``start``."""

    def __init__(self, ids: list[int], start: int) -> None:
        super().__init__(ids)
        self.start = start


class Packer:
    """Builds packed sequences: [prefix][image] then segments of [question][answer] that do not see each other."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.start = self.ids(PROMPT_START)
        self.end = self.ids(PROMPT_END)
        self.stop = self.ids(STOP_TOKEN)[0]
        self.answers = {color: self.ids(" " + color)[0] for color in COLORS}

    def ids(self, text: str) -> list[int]:
        """Token ids, nothing added."""
        return list(self.tokenizer(text, add_special_tokens=False).input_ids)

    def segment(self, text: str, answer: str) -> list[int]:
        """One question with its answer's token."""
        return [*self.ids(text), *self.end, self.answers[answer]]

    def caption(self, figures: list[tuple[str, str]]) -> Caption:
        """A request to name the figures, with its answer."""
        asked = [*self.ids("Name every shape with its color."), *self.end]
        named = ",".join(f" {color} {shape}" for shape, color in figures)
        return Caption([*asked, *self.ids(named), self.stop], len(asked))


def run_packed(
    model: Any, packer: Packer, image: torch.Tensor | None, segments: list[list[list[int]]]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Hidden states that predict the answers, the stop tokens and the captions' tokens, in reading order, each (n, d)."""
    batch = len(segments)
    prefix = len(packer.start) + (0 if image is None else NUM_IMAGE_TOKENS)
    length = prefix + max(sum(map(len, s)) for s in segments)
    embedding = model.get_input_embeddings()
    ids = torch.zeros(batch, length, dtype=torch.long)
    position = torch.zeros(batch, length, dtype=torch.long)
    owner = torch.full((batch, length), -1, dtype=torch.long)  # which segment a token is of; 0 is the prefix
    answer_rows: list[int] = []
    stop_rows: list[int] = []
    caption_rows: list[int] = []
    for b, parts_of in enumerate(segments):
        ids[b, : len(packer.start)] = torch.tensor(packer.start)
        position[b, :prefix] = torch.arange(prefix)
        owner[b, :prefix] = 0
        at = prefix
        for number, segment in enumerate(parts_of, start=1):
            stop = at + len(segment)
            ids[b, at:stop] = torch.tensor(segment)
            position[b, at:stop] = torch.arange(prefix, prefix + len(segment))
            owner[b, at:stop] = number
            if isinstance(segment, Caption):
                caption_rows.extend(range(b * length + at + segment.start - 1, b * length + stop - 1))
            else:
                answer_rows.append(b * length + stop - 2)
                stop_rows.append(b * length + stop - 1)
            at = stop
    hidden = embedding(ids)
    if image is not None:
        first = len(packer.start)
        hidden = torch.cat([hidden[:, :first], image.to(hidden.dtype), hidden[:, prefix:]], dim=1)
    same = owner[:, :, None] == owner[:, None, :]
    allowed = (same | (owner[:, None, :] == 0)) & torch.ones(length, length, dtype=torch.bool).tril()
    allowed |= torch.eye(length, dtype=torch.bool)  # padding looks at itself: a row of -inf would be NaN
    mask = torch.zeros(batch, 1, length, length).masked_fill(~allowed[:, None], torch.finfo(torch.float32).min)
    output = model.model(
        inputs_embeds=hidden, attention_mask=mask.to(hidden.dtype), position_ids=position, use_cache=False
    )
    flat = output.last_hidden_state.reshape(batch * length, -1)
    return flat[answer_rows], flat[stop_rows], flat[caption_rows]
