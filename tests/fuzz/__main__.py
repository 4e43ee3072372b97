"""`python -m tests.fuzz SECONDS`: looks for bytes that are neither an event nor BadData, led by what they reach in the code.

It starts from the golden examples. Where it finds something it ends with 77 and leaves the bytes in a file crash-* (an exception) or timeout-*.
"""

import sys
import tempfile
from pathlib import Path

import atheris

_LED_BY = [
    "services.kit.envelope",
    "services.kit.ids",
    "services.kit.trace",
    *(f"services.{name}.messages" for name in ("orders", "promises", "loyalty")),
]

with atheris.instrument_imports(include=_LED_BY):
    from tests.fuzz import envelope


def main(seconds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for number, (type, seed) in enumerate(envelope.seeds()):
            (Path(folder) / f"{number}-{type}").write_bytes(seed)
        options = [f"-max_total_time={seconds}", "-max_len=1048576", "-timeout=5", "-rss_limit_mb=1024", "-print_final_stats=1"]
        atheris.Setup([sys.argv[0], *options, folder], lambda data: envelope.read(data) and None)
        atheris.Fuzz()


if __name__ == "__main__":
    main(int(sys.argv[1]))
