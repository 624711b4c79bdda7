"""How long `genwright --version` and `--help` take above bare Python: medians of pairs, run in turn."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

LIMITS = {"--version": 0.060, "--help": 0.150}


def seconds(*words: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    for flag, limit in LIMITS.items():
        pairs = [(seconds("-m", "genwright", flag), seconds("-c", "pass")) for _ in range(21)]
        above = statistics.median(ours - bare for ours, bare in pairs)
        print(f"genwright {flag}: {1000 * above:.0f} ms above bare Python (limit {1000 * limit:.0f} ms)")


if __name__ == "__main__":
    main()
