#!/usr/bin/env bash
# Measure everything that needs a GPU, within a given time; a run that is cut off leaves what it had.
#   bash benchmarks/gpu.sh OUT [--minutes 8]
# OUT/gpu.md has a row for each stage; `python benchmarks/write_page.py OUT` puts the tables into
# docs/performance.md. More options: --help.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=${MMPLDC_VENV:-$root/.venv}/bin/python
[[ -x $python ]] || python=python3
exec "$python" "$root/benchmarks/gpu.py" "$@"
