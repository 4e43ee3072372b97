"""Apache Kafka's jars: resolved once from the published Maven artifacts, kept outside the checkout, compared with the lock before each start.

The cache holds one flat folder per Kafka version, what `class_cache` makes of it, and nothing of the resolver's own. `python -m deploy.local lock`
writes the lock anew.
"""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from deploy.local.errors import CannotStart

KAFKA = "4.3.0"
LOCK = Path(__file__).with_name("kafka.lock")
INSTEAD = "or set KAFKA_BOOTSTRAP_SERVERS to a Kafka of yours"


def jars(environ: Mapping[str, str]) -> Path:
    """The folder of Kafka's jars, each with the sum that the lock gives. Raises CannotStart where they cannot be had or are not those."""
    folder = cache(environ) / f"kafka-{KAFKA}"
    if not folder.is_dir():
        with alone(folder.parent):
            if not folder.is_dir():
                _fetch(folder)
    difference = compare(sums(folder), locked())
    if difference:
        raise CannotStart(f"{difference} in {folder}: delete that folder and start again to fetch the jars anew, {INSTEAD}.")
    return folder


def cache(environ: Mapping[str, str]) -> Path:
    """Where downloads are kept: KEPT_CACHE, or `kept` in the user's cache folder."""
    own = environ.get("KEPT_CACHE")
    return Path(own) if own else Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kept"


def sums(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in the folder, by name."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def locked() -> dict[str, str]:
    """The committed sums, by name."""
    rows = (line.split() for line in LOCK.read_text().splitlines())
    return {name: digest for digest, name in rows}


def compare(found: Mapping[str, str], expected: Mapping[str, str]) -> str | None:
    """The first jar that is missing, changed or not in the lock, in words; None where all are as locked."""
    for name in sorted(found.keys() | expected.keys()):
        if name not in found:
            return f"{name} is missing"
        if name not in expected:
            return f"{name} is not in deploy/local/kafka.lock but lies"
        if found[name] != expected[name]:
            return f"{name} is not the one in deploy/local/kafka.lock: it was changed"
    return None


def write_lock(environ: Mapping[str, str]) -> int:
    """Resolve the jars anew and write their sums to the lock. Returns how many there are."""
    with alone(cache(environ)), tempfile.TemporaryDirectory(prefix="fetch-", dir=cache(environ)) as work:
        found = sums(_resolve(Path(work)))
    LOCK.write_text("".join(f"{digest}  {name}\n" for name, digest in found.items()))
    return len(found)


def _fetch(folder: Path) -> None:
    for leftover in folder.parent.glob("fetch-*"):
        shutil.rmtree(leftover)
    for outdated in folder.parent.glob("kafka-*.aot"):  # it was made of other jars
        outdated.unlink()
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=folder.parent) as work:
        _resolve(Path(work)).rename(folder)


def _resolve(work: Path) -> Path:
    """Kafka and, as an environment of its own, the SLF4J binding without which it logs nothing: resolved together, the binding's BOM
    would put back an older kafka-clients."""
    kafka = _environment(f"org.apache.kafka:kafka_2.13:{KAFKA}", work)
    (core,) = kafka.glob("*/log4j-core-*.jar")
    binding = _environment(f"org.apache.logging.log4j:log4j-slf4j-impl:{core.stem.removeprefix('log4j-core-')}", work)
    flat = work / "flat"
    flat.mkdir()
    for jar in [*kafka.glob("jars/*.jar"), *kafka.glob("modules/*.jar"), *binding.glob("*/log4j-slf4j-impl-*.jar")]:
        shutil.copyfile(jar, flat / jar.name)
    return flat


def _environment(endpoint: str, work: Path) -> Path:
    """Where jgo put the artifact's jars. The user's own jgo configuration may name a mirror of the repository."""
    try:
        from jgo.config import GlobalSettings
        from jgo.constants import MAVEN_CENTRAL_URL
        from jgo.env import EnvironmentBuilder, LinkStrategy
        from jgo.maven import MavenContext
    except ModuleNotFoundError as missing:
        raise CannotStart(f"The embedded Kafka needs the package {missing.name}: run `make setup`, {INSTEAD}.") from missing
    repositories = {"central": MAVEN_CENTRAL_URL, **GlobalSettings.load().repositories}
    context = MavenContext(repo_cache=work / "m2", remote_repos=repositories)
    try:
        return Path(EnvironmentBuilder(context=context, cache_dir=work / "jgo", link_strategy=LinkStrategy.HARD).from_endpoint(endpoint).path)
    except (OSError, RuntimeError, ValueError) as failure:
        if isinstance(failure, OSError) and failure.errno:
            raise
        reason = str(failure).splitlines()[0][:200] if str(failure) else type(failure).__name__
        raise CannotStart(
            f"Kafka's jars are not in {work.parent} yet and could not be fetched ({reason}): connect to the network and start again, {INSTEAD}."
        ) from failure


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One process at a time writes to this cache."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
