#!/usr/bin/env bash
# The main job on a laptop: set up, make the data, train the baseline and PL-DC, show the result.
#   bash tools/quickstart.sh            about 20 minutes on two CPU cores after the set-up
# Options go to tools/quickstart.py (--seed, --clip, --work-dir, ...; see its --help).
# Interrupted, it goes on where it stopped; finished, it only shows the result again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bash tools/setup_env.sh
exec "${MMPLDC_VENV:-$PWD/.venv}/bin/python" tools/quickstart.py "$@"
