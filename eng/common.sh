# Shared by run.sh, test.sh, rag and the scripts in eng/. Source it; it changes nothing by itself.
# Standard output belongs to the caller's result, so every message goes to standard error.

rag_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# No build server stays behind when a script ends.
export MSBUILDDISABLENODEREUSE=1 DOTNET_CLI_USE_MSBUILD_SERVER=0 UseSharedCompilation=false
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=${DOTNET_CLI_TELEMETRY_OPTOUT:-1}

say() { printf '%s\n' "$*" >&2; }
die() { say "$(basename "$0"): $*"; exit 1; }

# Runs a command silently; only a failure shows what it printed. Returns the command's own exit code.
quietly() {
  local log code=0
  log=$(mktemp)
  "$@" >"$log" 2>&1 || code=$?
  [ "$code" -eq 0 ] || cat "$log" >&2
  rm -f "$log"
  return "$code"
}

need_dotnet() {
  command -v dotnet >/dev/null || die "the .NET 10 SDK is missing: install it so that 'dotnet' is on PATH."
  (cd "$rag_root" && dotnet --version >/dev/null 2>&1) ||
    die "the .NET 10 SDK is missing; here is $(dotnet --list-sdks | cut -d' ' -f1 | paste -sd, -)."
}

# folder_of PROGRAM: where its project is.
folder_of() { if [ "$1" = AppHost ]; then echo "$rag_root/AppHost"; else echo "$rag_root/Services/$1"; fi; }

built_dll() { printf '%s/bin/Release/net10.0/RagPlatform.%s.dll' "$(folder_of "$1")" "$1"; }

# build_release PROGRAM...: builds programs in Release, each when one of its sources is newer than its last build. One build at a time.
build_release() {
  local program started
  for program in "$@"; do
    is_built "$program" && continue
    need_dotnet
    # The lock is on a folder that exists anyway, so that no lock file stays.
    exec 8<"$rag_root/Services"
    flock 8
    if ! is_built "$program"; then
      say "building $program (the first time, and after a change of the sources)"
      started=$(mktemp)
      quietly dotnet build "$(folder_of "$program")" -c Release -v q -nologo -clp:NoSummary 8<&- ||
        { rm -f "$started"; die "the build failed."; }
      # As old as the beginning of the build, so that a file saved meanwhile counts as newer.
      touch -r "$started" "$(folder_of "$program")/bin/Release/.built"
      rm -f "$started"
    fi
    exec 8<&-
  done
}

# is_built PROGRAM: whether it is built from the sources as they are. The command line needs the wire only, other programs any service.
is_built() {
  local stamp sources=(Services ServiceDefaults)
  stamp=$(folder_of "$1")/bin/Release/.built
  case $1 in
    Cli) sources=(Services/Cli Services/Contracts) ;;
    AppHost) sources+=(AppHost) ;;
  esac
  [ -e "$stamp" ] && [ -e "$(built_dll "$1")" ] || return 1
  [ -z "$(cd "$rag_root" && find "${sources[@]}" Directory.*.props global.json \
    \( -name bin -o -name obj \) -prune -o -type f -newer "$stamp" -print -quit 2>/dev/null)" ]
}
