# shellcheck shell=bash
# Start torchrun for dist_train.sh and dist_test.sh: one process per GPU, or on the CPU without one.
# Sourced by them.

usage() { # print the comment at the top of the calling script, and fail
  sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2
  exit 2
}

refuse_taken_port() { # PORT: end with one line if a program of this machine listens at it
  if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then
    echo "port $1, at which the processes meet, is taken, maybe by another run: set PORT to a free one" >&2
    exit 1
  fi
}

launch() { # SCRIPT GPUS ARGUMENTS...: run tools/SCRIPT on GPUS processes of this machine
  local script=$1 gpus=$2 root
  root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
  ((${NODE_RANK:-0})) || refuse_taken_port "${PORT:-29500}"
  # Signals that torchrun passes on to its processes: its own, and that of batch systems.
  export PET_SIGNALS_TO_HANDLE=${PET_SIGNALS_TO_HANDLE:-SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1}
  PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" exec python -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node-rank="${NODE_RANK:-0}" \
    --master-addr="${MASTER_ADDR:-127.0.0.1}" \
    --master-port="${PORT:-29500}" \
    --nproc-per-node="$gpus" \
    "$root/tools/$script" "${@:3}" --launcher pytorch
}
