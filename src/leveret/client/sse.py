"""Server-sent events: a stream of bytes as the messages in it, by the rules of the HTML standard."""

from __future__ import annotations

from msgspec import Struct


class Message(Struct, frozen=True):
    """One event: its kind, its data, and the last `id` that the stream has named."""

    event: str
    data: str
    id: str


class Decoder:
    """Takes the bytes as they come, cut anywhere."""

    def __init__(self) -> None:
        self._rest = b""
        self._begun = False
        self._event = ""
        self._data: list[str] = []
        self._id = ""

    def feed(self, chunk: bytes) -> list[Message]:
        """The messages that are complete with these bytes. What a stream ends within counts as never sent."""
        if not self._begun and len(self._rest + chunk) >= 3:
            chunk, self._rest = (self._rest + chunk).removeprefix(b"\xef\xbb\xbf"), b""
            self._begun = True
        found = [message for line in self._lines(chunk) if (message := self._take(line)) is not None]
        return found

    def _lines(self, chunk: bytes) -> list[str]:
        """The lines that are complete. A `\\r` at the end may be half of a line break: it waits for what follows."""
        data = self._rest + chunk
        held = b"\r" if data.endswith(b"\r") else b""
        # Not bytes.splitlines: that is the same here, but only as it knows no line breaks but these three.
        lines = (data[: len(data) - len(held)]).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = lines.pop() + held
        return [line.decode(errors="replace") for line in lines]

    def _take(self, line: str) -> Message | None:
        """The message that this line completes, if any."""
        if not line:
            return self._complete()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                self._event = value
            case "data":
                self._data.append(value)
            case "id" if "\0" not in value:
                self._id = value
        return None

    def _complete(self) -> Message | None:
        event, data = self._event or "message", self._data
        self._event, self._data = "", []
        return Message(event, "\n".join(data), self._id) if data else None
