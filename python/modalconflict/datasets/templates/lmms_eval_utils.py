"""Functions of an lmms-eval task that modalconflict wrote; lmms-eval loads this file by itself, modalconflict need not be there."""

import math
import os
import re

from PIL import Image

DATA = os.environ.get("MODALCONFLICT_DATA", "DATA_FOLDER")


def doc_to_visual(doc):
    """The picture of a run, or none in a text-only run."""
    if not doc["picture"]:
        return []
    return [Image.open(os.path.join(DATA, doc["picture"])).convert("RGB")]


def doc_to_text(doc, lmms_eval_specific_kwargs=None):
    """The description, if there is one, and the question with its command."""
    return " ".join(part for part in (doc["text"], doc["question"]) if part)


def normalized(answer):
    """Lower case, the first word, without punctuation."""
    words = re.sub(r"[^\w\s]", " ", answer.lower()).split()
    words = words[1:] if len(words) > 1 and words[0] in ("a", "an", "the") else words
    return words[0] if words else ""


def process_results(doc, results):
    """What `text_following_rate` aggregates, and what modalconflict reads back from the samples."""
    found = {"condition": doc["condition"], "answer_text": doc["answer_text"], "answer_vision": doc["answer_vision"]}
    if results and isinstance(results[0], (tuple, list)):
        # Some models give a log-likelihood and some its negative, a loss: a log-probability is never positive.
        values = [-abs(float(value)) for value, _ in results]
        found["choice_log_probs"] = values
        found["answer"] = doc["choices"][max(range(len(values)), key=values.__getitem__)]
    else:
        found["answer"] = results[0] if results else ""
    return {"text_following_rate": found}


def text_following_rate(results):
    """Among the joint runs that follow the text or the image, the share that follow the text."""
    text = vision = 0
    for found in results:
        if found["condition"] == "multimodal":
            answer = normalized(found["answer"])
            text += answer == normalized(found["answer_text"])
            vision += answer == normalized(found["answer_vision"])
    return text / (text + vision) if text + vision else math.nan
