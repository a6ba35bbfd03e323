#!/usr/bin/env bash
# Run the tests that need no GPU, the fast ones first; makes the environment first if need be.
#
#   bash tests/run.sh           fast, then slow tests
#   bash tests/run.sh --fast    only the fast ones
#   bash tests/run.sh --all     also the long ones, and those for a GPU where there is one
#
# Other arguments go to pytest, e.g. `bash tests/run.sh -k thresholds -x`.
# MMPLDC_TEST_WORKERS is the number of processes, by default one per core and at most 4.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
phases=(fast slow)
arguments=()
for argument in "$@"; do
  case $argument in
    --fast) phases=(fast) ;;
    --all) phases=(fast slow long gpu) ;;
    -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" && exit ;;
    *) arguments+=("$argument") ;;
  esac
done

bash "$root/tools/setup_env.sh"
cd "$root"
python=${MMPLDC_VENV:-$root/.venv}/bin/python

declare -A markers=(
  [fast]='not slow and not long and not gpu'
  [slow]='slow and not long and not gpu'
  [long]='long and not gpu'
  [gpu]='gpu'
)
cores=$("$python" -c 'import os; print(len(os.sched_getaffinity(0)))')
workers=${MMPLDC_TEST_WORKERS:-$((cores < 4 ? cores : 4))}
[[ " ${arguments[*]} " != *' --pdb '* ]] || workers=0

# Nothing is downloaded, and every process keeps to its core.
export HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1 HF_DATASETS_OFFLINE=1 WANDB_MODE=disabled
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 NUMEXPR_NUM_THREADS=1
export MPLBACKEND=Agg
# Bytecode is kept: otherwise each process compiles all modules, and pytest rewrites all tests, anew.
unset PYTHONDONTWRITEBYTECODE

reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
status=0
for phase in "${phases[@]}"; do
  if [[ $phase == gpu ]] && ! "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
    echo "no GPU here: tests marked gpu are left out"
    continue
  fi
  # Long and GPU tests measure, or start processes of their own: one at a time.
  phase_workers=$([[ $phase == fast || $phase == slow ]] && echo "$workers" || echo 0)
  echo "== $phase tests"
  code=0
  "$python" -m pytest -n "$phase_workers" --dist worksteal -m "${markers[$phase]}" \
    --junitxml="$reports/$phase.xml" "${arguments[@]}" || code=$?
  # 5 is "no tests collected": fine for one phase, as -k may leave it nothing to do.
  ((code == 0 || code == 5)) || status=$code
done

# The summary of all phases, in the form of pytest's own; without a single test the run has failed.
"$python" - "$reports" "$status" <<'PYTHON'
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

totals = dict.fromkeys(('tests', 'failures', 'errors', 'skipped', 'time'), 0.0)
for report in Path(sys.argv[1]).glob('*.xml'):
    for suite in ElementTree.parse(report).iter('testsuite'):
        for key in totals:
            totals[key] += float(suite.get(key, 0))
seconds = totals.pop('time')
tests, failed, errors, skipped = (int(total) for total in totals.values())
counts = {
    'failed': failed,
    'passed': tests - failed - errors - skipped,
    'skipped': skipped,
    'errors': errors,
}
parts = [f'{count} {name}' for name, count in counts.items() if count]
print(f' {", ".join(parts) or "no tests ran"} in {seconds:.2f}s '.center(80, '='))
sys.exit(int(sys.argv[2]) or (0 if tests else 5))
PYTHON
