# shellcheck shell=bash
# Install mmcv for setup_env.sh.  Its compiled operations ("ops") fit one Python, one torch and one
# CUDA.  In this order: the wheel in the user's cache, the vendor's prebuilt wheel, and compiling,
# with CUDA ops where possible and CPU ops elsewhere.  Downloading or compiling runs in parallel with the
# installation of the other packages.
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
    progress=$(grep -oE '\[[0-9]+/[0-9]+\]' "$WORK/mmcv.log" | tail -1 || true)
    note "mmcv: compiled ${progress:-nothing yet}  (at $(clock))"
  done
}

stop_watcher() {
  [[ -n ${WATCHER:-} ]] || return 0
  kill "$WATCHER" 2>/dev/null && wait "$WATCHER" 2>/dev/null || true
  WATCHER=''
}

explain_compile_failure() {
  if grep -qE 'Killed|cannot allocate memory' "$WORK/mmcv.log"; then
    cat "$WORK/mmcv.log" >>"$LOG"
    die "the compiler ran out of memory. Call again with fewer at once: MAX_JOBS=1 (log: $LOG)"
  fi
  explain_pip_failure "$WORK/mmcv.log"
}

set_compiler_flags() { # sets CFLAGS and CPATH, by which compiling takes a fourth of its time
  local torch header=$WORK/header/mmcv_torch.h flags compile
  torch=$(dirname "$(compgen -G "$VENV/lib/python3*/site-packages/torch/include/torch" | head -1)")
  # Instead of Python's own flags: those that matter, without debug information.
  export CFLAGS="-O3 -DNDEBUG -fwrapv -g0 ${CFLAGS:-}"
  # Every file of mmcv includes torch's headers, so GCC reads them once. It accepts the result only
  # for the very flags of the build; otherwise it reads the text again.
  flags="$CFLAGS ${CPPFLAGS:-} -fPIC -std=c++17 -DTORCH_API_INCLUDE_EXTENSION_H -DTORCH_EXTENSION_NAME=_ext"
  # shellcheck disable=SC2206 # one flag per word
  compile=("$CXX" $flags "-I$torch" "-I$torch/torch/csrc/api/include")
  mkdir -p "$WORK/header" && echo '#include <torch/types.h>' >"$header"
  if ! "$CXX" -dM -E -x c++ /dev/null | grep -q __clang__ &&
    "${compile[@]}" -x c++-header "$header" -o "$header.gch" &&
    "${compile[@]}" -include "$header" -Winvalid-pch -Werror -c -x c++ /dev/null -o /dev/null; then
    export CPATH=$WORK/header${CPATH:+:$CPATH} CFLAGS="$CFLAGS -include mmcv_torch.h -Winvalid-pch"
  else
    note "$CXX refuses a precompiled header: compiling takes three times as long (log: $LOG)"
  fi 2>>"$LOG"
}

compile_mmcv() {
  local jobs=${MAX_JOBS:-$(count_jobs)} gpu_settings=(CUDA_VISIBLE_DEVICES='' FORCE_CUDA=0)
  check_compiler "$PY"
  if [[ $OPS == cuda ]]; then
    gpu_settings=(FORCE_CUDA=1 CUDA_HOME="$(dirname "$(dirname "$(readlink -f "$NVCC")")")" TORCH_CUDA_ARCH_LIST="$ARCHS")
    note "compiling mmcv's CUDA and CPU ops ($WHY): some 20 minutes or more on $jobs cores, only once"
  else
    note "compiling mmcv's CPU ops ($WHY): about $((5 / jobs + 1)) minutes on $jobs cores, only once"
  fi
  : >"$WORK/mmcv.log"
  show_compiling 9>&- &
  WATCHER=$!
  set_compiler_flags
  # No cache: pip's own would take this wheel for one that fits every torch.
  env "${gpu_settings[@]}" MMCV_WITH_OPS=1 MAX_JOBS="$jobs" "$PY" -m pip wheel -v --no-cache-dir --no-deps \
    --no-build-isolation --no-binary onedl-mmcv -w "$WORK/built" "onedl-mmcv==$(pin onedl-mmcv)" >"$WORK/mmcv.log" 2>&1 ||
    explain_compile_failure
  stop_watcher
  cat "$WORK/mmcv.log" >>"$LOG"
  keep_wheel "$WHEELS/$KEY" "$WORK"/built/onedl_mmcv-*.whl
}

begin_mmcv() { # have a wheel in the cache when finish_mmcv is called
  choose_ops
  compgen -G "$VENV/lib/python3*/site-packages/mmcv/_ext.*" >/dev/null && return
  compgen -G "$WHEELS/$VENDOR_KEY/*.whl" >/dev/null || compgen -G "$WHEELS/$KEY/*.whl" >/dev/null && return
  set -m # a process group of its own, for stop_mmcv to end
  {
    trap '[[ $? == 0 || -n $EXPLAINED ]] || exit 2' EXIT
    fetch_vendor_wheel || compile_mmcv
  } </dev/null 9>&- &
  MMCV_JOB=$!
  set +m
}

stop_mmcv() {
  [[ -n ${MMCV_JOB:-} ]] || return 0
  kill -- "-$MMCV_JOB" 2>/dev/null && wait "$MMCV_JOB" 2>/dev/null || true
}

finish_mmcv() {
  [[ -z ${MMCV_JOB:-} ]] || wait "$MMCV_JOB" || { [[ $? == 2 ]] || EXPLAINED=yes && exit 1; }
  MMCV_JOB=''
  "$PY" -I "$CHECK" ops 2>/dev/null && note "already installed" && return
  try_wheel "$VENDOR_KEY" || try_wheel "$KEY" && return
  # What was in the cache did not work.
  fetch_vendor_wheel && try_wheel "$VENDOR_KEY" && return
  compile_mmcv
  try_wheel "$KEY" || die "mmcv compiled, but its operations do not load (log: $LOG)"
}
