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

built_dll() { printf '%s/Services/%s/bin/Release/net10.0/RagPlatform.%s.dll' "$rag_root" "$1" "$1"; }

# Builds the command line, and with it every service that it can host, in Release, when a source is newer than the last build.
# One build at a time.
build_release() {
  local folder=$rag_root/Services/Cli started
  is_built && return 0
  need_dotnet
  # The lock is on a folder that exists anyway, so that no lock file stays.
  exec 8<"$folder"
  flock 8
  if ! is_built; then
    say "building (the first time, and after a change of the sources)"
    started=$(mktemp)
    quietly dotnet build "$folder" -c Release -v q -nologo -clp:NoSummary 8<&- || { rm -f "$started"; die "the build failed."; }
    # As old as the beginning of the build, so that a file saved meanwhile counts as newer.
    touch -r "$started" "$folder/bin/Release/.built"
    rm -f "$started"
  fi
  exec 8<&-
}

is_built() {
  local stamp=$rag_root/Services/Cli/bin/Release/.built
  [ -e "$stamp" ] && [ -e "$(built_dll Cli)" ] && [ -e "$(built_dll SingleNode)" ] || return 1
  [ -z "$(cd "$rag_root" && find Services ServiceDefaults Directory.*.props global.json \
    \( -name bin -o -name obj \) -prune -o -type f -newer "$stamp" -print -quit 2>/dev/null)" ]
}
