#!/bin/sh
# Finds the Chromium that browser tests use, or gets one: the system's, else Playwright's own, else apt's where we are root.
# With --path it only prints where it is; "none" where BROWSER=none says to do without.
set -eu
cd "$(dirname "$0")/.."

[ "${BROWSER:-}" = none ] && { [ "${1:-}" = --path ] && echo none || echo 'Browser tests: not run (BROWSER=none).'; exit 0; }

find_one() {
    for name in chromium chromium-browser google-chrome google-chrome-stable; do command -v "$name" && return; done
    .venv/bin/python -c 'from playwright.sync_api import sync_playwright as s
with s() as p: print(p.chromium.executable_path)' 2>/dev/null | while read -r path; do [ -x "$path" ] && echo "$path"; done
}

[ "${1:-}" = --path ] && { find_one; exit 0; }
[ -n "$(find_one)" ] && exit 0

log=var/browser.log
mkdir -p var
echo "Getting Chromium for the browser tests (what is said meanwhile stands in $log) ..."
timeout 180 .venv/bin/python -m playwright install chromium > "$log" 2>&1 || true
if [ -z "$(find_one)" ] && [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium; } >> "$log" 2>&1 || true
fi
[ -n "$(find_one)" ] && exit 0
echo "test: no Chromium was found and none could be had (see $log): install one, or run BROWSER=none make test without the browser tests." >&2
exit 1
