"""What `shoal serve` says before it serves."""

import dataclasses
import io
import socket
from pathlib import Path
from types import SimpleNamespace

from rich.console import Console

from shoal.cli.serve import _say
from shoal.gateway import Desk
from shoal.models import Specialist
from shoal.serving import Engine

GOLDEN = Path(__file__).parents[1] / "data" / "artifact_v1"


def said(**specialists: Specialist) -> str:
    engine = Engine()
    for name, specialist in specialists.items():
        engine.add_specialist(name, "v1", specialist)
    out = io.StringIO()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        _say(Console(file=out, soft_wrap=True), Desk(engine), listener)
    return out.getvalue()


def test_it_warns_of_each_specialist_without_a_certificate() -> None:
    sound = Specialist.load(GOLDEN)
    assert sound.certificate is not None and sound.certificate.certified
    failed = SimpleNamespace(certified=False)
    text = said(
        sound=sound,
        never=dataclasses.replace(sound, certificate=None),
        refused=dataclasses.replace(sound, certificate=failed),  # type: ignore[arg-type]
    )
    lines = [line for line in text.splitlines() if "warning:" in line]
    assert len(lines) == 2
    assert "warning: never keeps nothing: no certificate" in lines[0]
    assert "warning: refused keeps nothing: no certificate" in lines[1]
    assert "gate = { certified = true }" in lines[0]
