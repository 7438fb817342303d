"""Run the benchmarks one after the other; each writes bench/results/<name>.json.

    SHOAL_DATA=FOLDER python bench/run.py [--quick] [--only NAME ...]

Run alone on the machine for figures worth keeping. `--quick` runs those that know a short form, to see that they work;
its figures are not worth keeping, so what it wrote over is put back.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

from measuring import data_folder
from results import RESULTS

HERE = Path(__file__).parent
# Name of the result, script, and whether it knows --quick; the short ones first.
BENCHMARKS = {
    "inference": ("inference.py", True),
    "http": ("over_http.py", True),
    "threshold_grid": ("threshold_grid.py", False),
    "guarantee": ("guarantee.py", False),
    "gate": ("gate.py", True),
    "cascade_recorded": ("cascade_recorded.py", False),
    "distil": ("distil.py", True),
    "certified": ("certified.py", False),
    "many": ("many.py", True),
    "few": ("few.py", True),
    "summarization": ("summarization.py", True),
    "multilabel": ("multilabel.py", True),
    "review": ("review.py", False),
    "rungs": ("rungs.py", False),
    "tagging": ("tagging.py", True),
    "peers": ("peers.py", True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, metavar="NAME", help=", ".join(BENCHMARKS))
    arguments = parser.parse_args()
    data_folder()
    failed: list[str] = []
    for name, (script, has_quick) in BENCHMARKS.items():
        if arguments.only and name not in arguments.only:
            continue
        if arguments.quick and not has_quick:
            print(f"{name}: has no quick form, left out", flush=True)
            continue
        print(f"{name}: ...", flush=True)
        began = time.monotonic()
        if not run(name, script, quick=arguments.quick):
            failed.append(name)
        print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def run(name: str, script: str, *, quick: bool) -> bool:
    """Run one benchmark; whether it succeeded."""
    path = RESULTS / f"{name}.json"
    before = path.read_bytes() if path.is_file() else None
    done = subprocess.run([sys.executable, str(HERE / script), *(["--quick"] if quick else [])], check=False)
    if quick:
        if before is not None:
            path.write_bytes(before)
        else:
            path.unlink(missing_ok=True)
    return done.returncode == 0


if __name__ == "__main__":
    main()
