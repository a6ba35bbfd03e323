#!/usr/bin/env bash
# Train on a Slurm cluster, one task per GPU.
#
#   bash tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [options of tools/train.py]
#
#   GPUS            total number of GPUs and tasks   (default: 8)
#   GPUS_PER_NODE   number on each machine           (default: 8, or GPUS if that is less)
#   GRES            request for each machine         (default: gpu:GPUS_PER_NODE)
#                   e.g. gpu:a100:4; empty: none, and tasks train on the CPU if it has no GPU
#   CPUS_PER_TASK   cores for each task              (default: 5)
#   SRUN_ARGS       more options of srun             e.g. '--qos=high --time=24:00:00'
#   PY_ARGS         more options of tools/train.py   e.g. '--resume --amp'
#   MASTER_ADDR     of the first machine             (default: its name in the list of nodes)
#   MASTER_PORT     of the first machine             (default: made from the job's and step's id)
#
# tools/slurm/train.sbatch is a batch job around it that continues after a preemption or a time limit.
set -euo pipefail

if (($# < 4)); then
  sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2
  exit 2
fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
GPUS=${GPUS:-8}
GPUS_PER_NODE=${GPUS_PER_NODE:-$((GPUS < 8 ? GPUS : 8))}
GRES=${GRES-gpu:$GPUS_PER_NODE}
# Lists of words, as in MMDetection's script.
read -ra srun_args <<<"${SRUN_ARGS:-}"
read -ra py_args <<<"${PY_ARGS:-}"

# The job's id is known only to its tasks. All tasks of a run choose the same port, and two runs
# on a machine different ones; below 32768, where the system assigns no ports by itself.
# shellcheck disable=SC2016 # for the task's shell
task='MASTER_PORT=${MASTER_PORT:-$((10000 + (SLURM_JOB_ID + 7919 * ${SLURM_STEP_ID:-0}) % 20000))} exec python -u "$@"'

set -x
exec srun --partition="$1" \
  --job-name="$2" \
  ${GRES:+--gres="$GRES"} \
  --ntasks="$GPUS" \
  --ntasks-per-node="$GPUS_PER_NODE" \
  --cpus-per-task="${CPUS_PER_TASK:-5}" \
  --kill-on-bad-exit=1 \
  "${srun_args[@]}" \
  bash -c "$task" bash \
  "$root/tools/train.py" "$3" --work-dir="$4" --launcher=slurm "${py_args[@]}" "${@:5}"
