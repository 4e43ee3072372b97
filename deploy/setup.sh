#!/bin/sh
# Makes .venv with the dependencies of requirements.lock, checked by their hashes. Does nothing while the lock is the one that was installed.
set -eu
cd "$(dirname "$0")/.."

refuse() { printf 'setup: %s\n' "$1" >&2; exit 1; }

sum=$(cksum < requirements.lock)
[ -x .venv/bin/kept ] && [ -f .venv/installed ] && [ "$(cat .venv/installed)" = "$sum" ] && exit 0

python=
for name in ${PYTHON:-} python3.11 python3.12 python3.13 python3.14 python3; do
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$name; break; fi
done
[ -n "$python" ] || refuse "no Python 3.11 or newer was found: install one, or name it, as in PYTHON=/path/to/python make setup"

[ -x .venv/bin/python ] || "$python" -m venv .venv || refuse "a virtual environment could not be made: install the venv module of $python"
printf 'Installing %s packages of requirements.lock into .venv ...\n' "$(grep -c '^[A-Za-z]' requirements.lock)"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock ||
    refuse "the packages could not be installed: is there a network? A second try goes on where this one stopped"

cat > .venv/bin/kept <<'EOF'
#!/bin/sh
here=$(dirname "$0")
PYTHONPATH="$here/../.." exec "$here/python" -m services.kit.cli "$@"
EOF
chmod +x .venv/bin/kept
printf '%s' "$sum" > .venv/installed
