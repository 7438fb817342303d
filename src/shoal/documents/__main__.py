"""Read one document from standard input in a process that can be ended: its JSON out, or a sentence and its exit code.

For a server: what a damaged or hostile file does to a reader is done to this process alone.
"""

import sys

import msgspec

from shoal.documents.reading import read_bytes
from shoal.errors import ShoalError


def main(name: str) -> int:
    """Read the document that is called `name`; return the exit code."""
    try:
        document = read_bytes(name, sys.stdin.buffer.read())
    except ShoalError as error:
        sys.stderr.buffer.write(error.message.encode(errors="replace"))
        return error.exit_code
    sys.stdout.buffer.write(msgspec.json.encode(document))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
