"""Which of a service's processes a command line asks for."""

import argparse
from collections.abc import Callable, Mapping


def start(processes: Mapping[str, Callable[[], object]]) -> None:
    """Run the process that the one argument names. Exits with 2 and the names there are when it names none."""
    parser = argparse.ArgumentParser(description="One process of a service; settings come from the environment (docs/configuration.md).")
    parser.add_argument("process", choices=sorted(processes))
    processes[parser.parse_args().process]()
