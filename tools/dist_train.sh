#!/usr/bin/env bash
# Train on the GPUs of this machine, or of several.
#
#   bash tools/dist_train.sh CONFIG GPUS [options of tools/train.py]
#
# GPUS is the number of GPUs to use on this machine. On a machine without GPUs it is the number of
# processes on the CPU, each with OMP_NUM_THREADS threads (1). PORT (29500) must be free: two runs
# need two ports. For several machines start it on each one, with NNODES, NODE_RANK (0, 1, ...) and
# MASTER_ADDR, the address of the first machine.
set -euo pipefail

# shellcheck source=tools/torchrun.sh
source "$(dirname "${BASH_SOURCE[0]}")/torchrun.sh"
(($# >= 2)) || usage
launch train.py "$2" "$1" "${@:3}"
