#!/usr/bin/env bash
# Quickstart for a laptop: set up, generate the data, train the baseline and PL-DC, show the result.
#   bash tools/quickstart.sh            20 to 28 minutes on two CPU cores after the set-up
# Options go to tools/quickstart.py (--seed, --clip, --work-dir, ...; see its --help).
# An interrupted call continues where it stopped; after the end it only shows the result again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bash tools/setup_env.sh
exec "${MMPLDC_VENV:-$PWD/.venv}/bin/python" tools/quickstart.py "$@"
