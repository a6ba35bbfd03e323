#!/usr/bin/env bash
# Build or serve the documentation site; sets up the environment first if necessary.
#
#   bash tools/docs.sh            build it into build/site; warnings, such as broken links, are errors
#   bash tools/docs.sh serve      serve it at http://127.0.0.1:8000 and rebuild it on changes
#
# Other arguments go to mkdocs, e.g. `bash tools/docs.sh serve --dev-addr 127.0.0.1:8080`.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

command=${1:-build}
case $command in
  build) arguments=(build --strict) ;;
  serve) arguments=(serve --livereload) ;;
  -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" && exit ;;
  *) echo "docs.sh: unknown command '$command', not 'build' or 'serve'" >&2 && exit 2 ;;
esac
shift $(($# > 0))

bash "$root/tools/setup_env.sh"
cd "$root"
venv=${MMPLDC_VENV:-$root/.venv}
export PATH=$venv/bin:$PATH  # mkdocstrings formats signatures with ruff
export NO_MKDOCS_2_WARNING=1 # the theme's warning about mkdocs 2; the version here is pinned
"$venv/bin/python" -m mkdocs "${arguments[@]}" "$@" 2>&1 | sed -u '/^INFO .* Documenting/d'
