"""Text in pictures: PP-OCR on the CPU by RapidOCR, whose wheel brings the networks along.

    pip install 'leveret[examples]'
    leveret serve examples/ocr.py

    curl -s -H 'Prefer: wait' -H 'Content-Type: application/json' \
      -d '{"input": {"image": "data:image/png;base64,'$(base64 -w0 examples/images/invoice.png)'"}}' \
      http://127.0.0.1:8000/v1/models/local/ocr/predictions
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import rapidocr
from pydantic import Field

from leveret import File, model

NETWORKS = Path(rapidocr.__file__).parent / "models"
"""What the wheel ships. Named below file by file, so that nothing is ever looked for on the internet."""


@dataclass
class Line:
    """A line of text: how sure the network is, from 0 to 1, and its four corners in pixels."""

    text: str
    score: float
    box: list[tuple[float, float]]


@model
class Ocr:
    """The lines of text in a picture (PNG, JPEG, WebP, …), from the top to the bottom."""

    def setup(self) -> None:
        """Load the three networks: where text is, whether it stands on its head, and what it says."""
        self.engine = rapidocr.RapidOCR(
            params={
                "Global.log_level": "critical",
                "Det.model_path": str(NETWORKS / "PP-OCRv6_det_small.onnx"),
                "Cls.model_path": str(NETWORKS / "ch_ppocr_mobile_v2.0_cls_mobile.onnx"),
                "Rec.model_path": str(NETWORKS / "PP-OCRv6_rec_small.onnx"),
            }
        )
        self.engine(_warm_up())  # each network is loaded when it is first used

    def predict(
        self,
        image: File,
        min_score: Annotated[float, Field(ge=0, le=1, description="leave out lines that are less sure")] = 0.5,
    ) -> list[Line]:
        """Read one picture."""
        found = self.engine(image.read(), text_score=min_score)
        if not found.txts:
            return []
        return [
            Line(text, float(score), [(float(x), float(y)) for x, y in box])
            for text, score, box in zip(found.txts, found.scores, found.boxes, strict=True)
        ]


def _warm_up() -> np.ndarray:
    """A picture with a word in it."""
    picture = np.full((96, 320, 3), 255, dtype=np.uint8)
    return cv2.putText(picture, "leveret", (20, 64), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (0, 0, 0), 3)
