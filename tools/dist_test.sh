#!/usr/bin/env bash
# Test on the GPUs of this machine, or of several.
#
#   bash tools/dist_test.sh CONFIG CHECKPOINT GPUS [options of tools/test.py]
#
# PORT, NNODES, NODE_RANK and MASTER_ADDR are as in dist_train.sh.
set -euo pipefail

# shellcheck source=tools/torchrun.sh
source "$(dirname "${BASH_SOURCE[0]}")/torchrun.sh"
(($# >= 3)) || usage
launch test.py "$3" "$1" "$2" "${@:4}"
