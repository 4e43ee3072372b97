"""What a stack's user configures beside its ports and servers."""

from collections.abc import Mapping
from pathlib import Path

from deploy.local.errors import CannotStart
from deploy.local.files import write_private
from services.kit.clock import clock_from, record_now


def clock(environ: Mapping[str, str], memory: Path) -> str:
    """The stack's clock: KEPT_CLOCK, or the system's. A scaled clock without a real start begins now; the file remembers that for later starts.

    Raises CannotStart where the setting names no clock.
    """
    spec = environ.get("KEPT_CLOCK") or "system"
    if spec.startswith("scaled:") and "@" not in spec:
        remembered = memory.read_text() if memory.exists() else ""
        spec = remembered if remembered.startswith(f"{spec}@") else f"{spec}@{record_now().isoformat()}"
        write_private(memory, spec)
    try:
        clock_from(spec)
    except (ValueError, OSError) as failure:
        raise CannotStart(f"KEPT_CLOCK cannot be used: {failure}.") from failure
    return spec
