"""Documents that come over HTTP, read in a process of their own: whatever is in them, requests are answered meanwhile.

A file may make a reader take minutes. A process can be ended: when its time is over, and when its caller has gone.
"""

import asyncio
import contextlib
import sys

import msgspec

from shoal.documents import Document
from shoal.errors import EnvironmentProblem, InputError, OverloadedError, RequestError, ShoalError

SUFFIXES = {
    "text/plain": ".txt",
    "text/markdown": ".md",
    "text/html": ".html",
    "application/pdf": ".pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
}
_AT_ONCE = 2
_MOST_WAITING = 16
_LONGEST_S = 60.0


def document_name(content_type: bytes | None) -> str:
    """Name a document by its content type.

    Raises:
        RequestError: no such documents are read, or it is in another encoding than UTF-8 (415).
    """
    given = (content_type or b"").decode("latin-1")
    media, _, parameters = given.lower().partition(";")
    suffix = SUFFIXES.get(media.strip())
    if suffix is None:
        shown = f"content-type {given[:100]!r} is no document that is read" if given else "there is no content-type"
        raise RequestError(f"{shown}; send one of {', '.join(SUFFIXES)}", status=415)
    charset = parameters.partition("charset=")[2].partition(";")[0].strip(' "')
    if media.startswith("text/") and charset not in ("", "utf-8", "utf8", "us-ascii"):
        raise RequestError(f"charset {charset[:40]!r} is not supported; send the text in UTF-8", status=415)
    return f"document{suffix}"


class DocumentReader:
    """Reads a few documents at once; a few more wait, and the rest are refused.

    Args:
        longest_s: seconds that one document may take.
        at_once: how many are read together.
        most_waiting: how many may wait for their turn.
    """

    def __init__(
        self, *, longest_s: float = _LONGEST_S, at_once: int = _AT_ONCE, most_waiting: int = _MOST_WAITING
    ) -> None:
        self._longest_s = longest_s
        self._turn = asyncio.Semaphore(at_once)
        self._most = at_once + most_waiting
        self._present = 0

    async def read(self, name: str, content: bytes) -> Document:
        """Read a document.

        Raises:
            RequestError: it cannot be read, for the reason that the reader gives, or not in time (422).
            EnvironmentProblem: the extra `documents` is not installed.
            OverloadedError: too many wait already.
            ShoalError: the reader failed.
        """
        if self._present >= self._most:
            raise OverloadedError(f"{self._present} documents are being read or wait for it; send this one again later")
        self._present += 1
        try:
            async with self._turn:
                return await self._apart(name, content)
        finally:
            self._present -= 1

    async def _apart(self, name: str, content: bytes) -> Document:
        pipe = asyncio.subprocess.PIPE
        # -P: a module that lies in the server's working directory is not taken for one of shoal's.
        command = (sys.executable, "-P", "-m", "shoal.documents", name)
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
        try:
            async with asyncio.timeout(self._longest_s):
                out, said = await process.communicate(content)
        except TimeoutError:
            message = f"{name} took longer than {self._longest_s:g} s to read. Split it."
            raise RequestError(message, status=422) from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if process.returncode == 0:
            return msgspec.json.decode(out, type=Document)
        message = said.decode(errors="replace")
        if process.returncode == InputError.exit_code:
            raise RequestError(message, status=422)
        if process.returncode == EnvironmentProblem.exit_code:
            raise EnvironmentProblem(message)
        raise ShoalError(f"the reader failed on {name}: {(message.splitlines() or ['it was ended'])[-1]}")
