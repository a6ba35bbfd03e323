# shellcheck shell=bash
# The part of setup_env.sh that installs mmcv, whose compiled operations ("ops") are the difficulty:
# they fit one Python, one torch and one CUDA.  In this order: the wheel in the user's cache, the
# vendor's prebuilt wheel, and compiling, with CUDA ops where that can work and CPU ops elsewhere.
# Sourced by setup_env.sh, whose variables and functions it uses.

wheel_key() { # PYTHON TORCH-VERSION OPS -> the folder of a wheel that fits all of them
  printf '%s-py%s-torch%s-%s-%s' "$(pin onedl-mmcv)" "$(python_version "$1")" "$2" "$3" "$(uname -m)"
}

choose_ops() { # sets OPS to cpu or cuda, WHY, and the wheel's KEY
  local torch cuda nvcc_cuda=''
  IFS=' ' read -r torch cuda < <("$PY" -I -c 'import torch; print(torch.__version__, torch.version.cuda or "none")') ||
    die "PyTorch is installed but does not import (see above). Remove $VENV and call again"
  NVCC=$(command -v nvcc || ls "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc" 2>/dev/null || true)
  [[ -z $NVCC ]] || nvcc_cuda=$("$NVCC" --version | sed -n 's/.*release \([0-9.]*\).*/\1/p')
  ARCHS=${TORCH_CUDA_ARCH_LIST:-$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | sort -u | paste -sd ';' || true)}
  ARCHS=${ARCHS:-7.5;8.0;8.6;9.0+PTX}
  OPS=cpu
  if [[ $cuda == none ]]; then
    WHY="torch is a CPU build"
  elif [[ ${FORCE_CUDA:-1} == 0 ]]; then
    WHY="FORCE_CUDA=0"
  elif [[ ${nvcc_cuda%%.*} != "${cuda%%.*}" ]]; then
    WHY=$([[ -z $nvcc_cuda ]] && echo "no nvcc here" || echo "nvcc $nvcc_cuda does not match torch's CUDA $cuda")
    ! has_gpu || WHY+=". These ops will not run on the GPU: install CUDA $cuda, remove $VENV and call again"
  else
    OPS=cuda WHY="nvcc $nvcc_cuda matches torch's CUDA $cuda"
  fi
  VENDOR_TAG=$([[ $cuda == none ]] && echo cpu || echo "cu${cuda//./}")-torch$(pin torch | tr -d .)
  KEY=$(wheel_key "$PY" "$torch" "$([[ $OPS == cpu ]] && echo cpu || echo "cu$nvcc_cuda-${ARCHS//;/_}")")
  VENDOR_KEY=$(wheel_key "$PY" "$torch" "vendor-$VENDOR_TAG")
}

keep_wheel() { # FOLDER WHEEL; in one atomic step, as another set-up may do the same
  mkdir -p "$1"
  cp "$2" "$1/.$$.part" && mv "$1/.$$.part" "$1/$(basename "$2")"
}

try_wheel() { # FOLDER; install the wheel from there, if it is intact and works
  local wheel
  wheel=$(compgen -G "$WHEELS/$1/*.whl" | head -1) || return 1
  if "$PY" -I "$CHECK" wheel "$wheel"; then
    run_pip install --no-deps --force-reinstall "$wheel"
    "$PY" -I "$CHECK" ops && note "installed from $wheel" && return
  fi
  note "$wheel is damaged or does not work here: dropping it"
  rm -f "$wheel"
  return 1
}

fetch_vendor_wheel() {
  answers "$PY" "$MMCV_INDEX" || return 1
  "$PY" -m pip download --no-deps --no-index --only-binary :all: -d "$WORK" "onedl-mmcv==$(pin onedl-mmcv)" \
    --find-links "$MMCV_INDEX/$VENDOR_TAG/simple/onedl-mmcv/index.html" >>"$LOG" 2>&1 || return 1
  note "prebuilt for $VENDOR_TAG, from $MMCV_INDEX"
  keep_wheel "$WHEELS/$VENDOR_KEY" "$WORK"/onedl_mmcv-*.whl && rm "$WORK"/onedl_mmcv-*.whl
}

count_jobs() { # one per core, as far as the memory goes (a compiler takes up to 1.5 GB)
  awk -v cores="$("$PY" -c 'import os; print(len(os.sched_getaffinity(0)))' 2>/dev/null || echo 2)" \
    '/^MemAvailable/ { m = int($2 / 1572864) } END { j = (m && m < cores) ? m : cores; print j < 1 ? 1 : j }' \
    /proc/meminfo 2>/dev/null || echo 2
}

show_compiling() { # print how far the compilation is, until the script ends or kills this
  local progress
  while sleep 30 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
    progress=$(grep -oE '\[[0-9]+/[0-9]+\]' "$WORK/pip.log" | tail -1 || true)
    note "compiled ${progress:-nothing yet}  (at $(clock))"
  done
}

stop_watcher() {
  [[ -n ${WATCHER:-} ]] || return 0
  kill "$WATCHER" 2>/dev/null && wait "$WATCHER" 2>/dev/null || true
  WATCHER=''
}

explain_compile_failure() {
  if grep -qE 'Killed|cannot allocate memory' "$WORK/pip.log"; then
    cat "$WORK/pip.log" >>"$LOG"
    die "the compiler ran out of memory. Call again with fewer at once: MAX_JOBS=1 (log: $LOG)"
  fi
  explain_pip_failure
}

compile_mmcv() {
  local jobs=${MAX_JOBS:-$(count_jobs)} gpu_settings=(CUDA_VISIBLE_DEVICES='' FORCE_CUDA=0)
  check_compiler "$PY"
  if [[ $OPS == cuda ]]; then
    gpu_settings=(FORCE_CUDA=1 CUDA_HOME="$(dirname "$(dirname "$(readlink -f "$NVCC")")")" TORCH_CUDA_ARCH_LIST="$ARCHS")
    note "compiling mmcv's CUDA and CPU ops ($WHY): some 20 minutes or more on $jobs cores, only once"
  else
    note "compiling mmcv's CPU ops ($WHY): about $((18 / jobs + 1)) minutes on $jobs cores, only once"
  fi
  show_compiling 9>&- &
  WATCHER=$!
  # No cache: pip's own would take this wheel for one that fits every torch.
  env "${gpu_settings[@]}" MMCV_WITH_OPS=1 MAX_JOBS="$jobs" "$PY" -m pip wheel -v --no-cache-dir --no-deps \
    --no-build-isolation --no-binary onedl-mmcv -w "$WORK/built" "onedl-mmcv==$(pin onedl-mmcv)" >"$WORK/pip.log" 2>&1 ||
    explain_compile_failure
  stop_watcher
  keep_wheel "$WHEELS/$KEY" "$WORK"/built/onedl_mmcv-*.whl
}

install_mmcv() {
  choose_ops
  "$PY" -I "$CHECK" ops 2>/dev/null && note "already installed" && return
  try_wheel "$VENDOR_KEY" || try_wheel "$KEY" && return
  fetch_vendor_wheel && try_wheel "$VENDOR_KEY" && return
  compile_mmcv
  try_wheel "$KEY" || die "mmcv compiled, but its operations do not load (log: $LOG)"
}
