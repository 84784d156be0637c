#!/usr/bin/env bash
# Build the wheel, install it into an environment of its own and use it from an empty folder.
set -euo pipefail
bin=$1
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$bin/python" -m build --wheel --outdir "$work/dist" "$root" >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
"$bin/python" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "$(ls "$work"/dist/*.whl)"
cd "$work"
"$work/venv/bin/hydrometer" --version
"$work/venv/bin/hydrometer" tasks --json >tasks.json
status=0
"$work/venv/bin/hydrometer" audit fake:echo 'fake:echo?seed=1' --items 4 --out out --json >result.json 2>err.txt || status=$?
case $status in 0|10|11|12) ;; *) cat err.txt; echo "audit from the wheel: exit status $status"; exit 1 ;; esac
"$work/venv/bin/hydrometer" verify out
"$work/venv/bin/python" -c "from hydrometer.report.library import library as l; assert 'expressionInterpreter' in l(), 'no chart library'"
"$work/venv/bin/python" -c "import hydrometer.refs as r; p = r.bundled_adapter(); assert (p / 'adapter.gguf').is_file(), p"
echo "wheel: all well"
