#!/usr/bin/env python3
"""Time and memory of efface beside other defacers: same volumes, same machine, same run.

    deface_peers.py EFFACE HEAD.nii.gz[,BRAINMASK.nii.gz] ...

EFFACE is the program, built for release. `quickshear` (PyPI) is run where a brain mask is given, whose own
making is not counted for it; `pydeface` (PyPI, with FSL) where it is installed. What is missing is said with
SKIPPED. Of three runs the fastest counts. efface checks its output, the others don't.
"""

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

RUNS = 3


def measured(command):
    """Wall seconds, CPU seconds, peak MB of the fastest run, and the exit code of all; {out} is a new file."""
    best = None
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory() as folder:
            words = [word.format(out=Path(folder, "out.nii.gz")) for word in command]
            start = time.perf_counter()
            child = os.fork()
            if child == 0:
                quiet = os.open(os.devnull, os.O_WRONLY)
                os.dup2(quiet, 1)
                os.dup2(quiet, 2)
                os.execvp(words[0], words)
            _, status, used = os.wait4(child, 0)
            wall = time.perf_counter() - start
        code = os.waitstatus_to_exitcode(status)
        run = (wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, code)
        best = min(best or run, run)
    return best


def peers(head, mask):
    """Names and commands; a reason in place of a command that can't be run."""
    def found(program, command):
        return command if shutil.which(program) else f"{program} is not installed"
    if mask:
        yield "quickshear, mask given", found("quickshear", ["quickshear", head, mask, "{out}"])
    else:
        yield "quickshear", "no brain mask given"
    yield "pydeface", found("pydeface", ["pydeface", head, "--outfile", "{out}", "--force"])


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    efface, heads = sys.argv[1], sys.argv[2:]
    print(f"{'volume':34} {'program':24} {'wall s':>8} {'CPU s':>8} {'MB':>6} {'to efface':>10}")
    for given in heads:
        head, _, mask = given.partition(",")
        name = Path(head).name[:33]
        wall, cpu, peak, code = measured([efface, "deface", head, "-o", "{out}"])
        said = "" if code == 0 else f"  exit code {code}"
        print(f"{name:34} {'efface':24} {wall:8.2f} {cpu:8.2f} {peak:6.0f} {1:10.2f}{said}")
        for peer, command in peers(head, mask):
            if isinstance(command, str):
                print(f"{name:34} {peer:24} SKIPPED: {command}")
                continue
            other, cpu, peak, code = measured(command)
            said = "" if code == 0 else f"  exit code {code}"
            print(f"{name:34} {peer:24} {other:8.2f} {cpu:8.2f} {peak:6.0f} {other / wall:10.2f}{said}")


if __name__ == "__main__":
    main()
