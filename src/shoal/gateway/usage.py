"""Reads the tokens out of bytes that pass through, without touching them."""

import msgspec

from shoal.tasks import Usage

# A response longer than this is forwarded like any other, but not read for its usage.
_MOST_BYTES = 4_000_000
_MARK = b'"usage"'


class _Counts(msgspec.Struct):
    """Both spellings: chat completions and embeddings, and the responses API."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


class _Response(msgspec.Struct):
    usage: _Counts | None = None


class _Body(msgspec.Struct):
    usage: _Counts | None = None
    response: _Response | None = None  # the last event of a streamed response of the responses API


_DECODER = msgspec.json.Decoder(_Body)


class UsageTap:
    """Is shown each piece of a response and knows at the end how many tokens the upstream says it used.

    Args:
        stream: server-sent events (read line by line) rather than one JSON document.
    """

    def __init__(self, *, stream: bool) -> None:
        self._stream = stream
        self._kept = bytearray()
        self._too_long = False
        self._usage: Usage | None = None

    def see(self, piece: bytes) -> None:
        """Look at the next piece."""
        if self._too_long:
            return
        self._kept += piece
        if self._stream:
            end = self._kept.rfind(b"\n") + 1
            if end:
                self._read_lines(bytes(self._kept[:end]))
                del self._kept[:end]
        if len(self._kept) > _MOST_BYTES:
            self._too_long = True
            self._kept.clear()

    def usage(self) -> Usage | None:
        """Return the tokens; None when the upstream did not say, or said it in a form that is not known."""
        if self._stream:
            self._read_lines(bytes(self._kept))
        elif _MARK in self._kept:
            self._read(bytes(self._kept))
        return self._usage

    def _read_lines(self, lines: bytes) -> None:
        if _MARK not in lines:
            return
        for line in lines.splitlines():
            if line.startswith(b"data:") and _MARK in line:
                self._read(line[5:])

    def _read(self, document: bytes) -> None:
        try:
            body = _DECODER.decode(document)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        counts = body.usage or (body.response.usage if body.response else None)
        if counts is not None:
            self._usage = Usage(
                input_tokens=max(0, counts.prompt_tokens or counts.input_tokens or 0),
                output_tokens=max(0, counts.completion_tokens or counts.output_tokens or 0),
            )
