"""A predictor as Cog serves it; nothing here knows of Leveret."""

from cog import BasePredictor, ConcatenateIterator, Input, Path
from extra import loud


class Predictor(BasePredictor):
    def setup(self) -> None:
        self.words = open("words.txt").read().split()

    def predict(
        self,
        prompt: str = Input(description="What to begin with", min_length=1),
        count: int = Input(description="How many words", default=2, ge=1, le=3),
        style: str = Input(default="calm", choices=["calm", "loud"]),
        image: Path | None = Input(default=None, description="A file of which the size is told"),
    ) -> ConcatenateIterator[str]:
        yield prompt
        for word in self.words[:count]:
            yield " " + (loud(word) if style == "loud" else word)
        if image is not None:
            assert isinstance(image, Path)
            yield f" {image.stat().st_size}"
