"""Small pictures and tables for the importers' tests."""

import io

from PIL import Image

GOOD = {
    "text": "The circle is blue.",
    "question": "What color is the circle?",
    "answer_text": "blue",
    "answer_vision": "red",
}


def picture(color="red", size=(12, 9), form="PNG"):
    """An image file's bytes."""
    data = io.BytesIO()
    Image.new("RGB", size, color).save(data, form)
    return data.getvalue()


def shades(count):
    """Different pictures."""
    return [picture((i % 256, i // 256 % 256, 7)) for i in range(count)]
