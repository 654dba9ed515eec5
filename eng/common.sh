# Shared by run.sh, test.sh, rag and the scripts in eng/. Source it; it changes nothing by itself.
# Standard output belongs to the caller's result, so every message goes to standard error.

rag_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s\n' "$*" >&2; }
die() { say "$(basename "$0"): $*"; exit 1; }

# Runs a command silently; only a failure shows what it printed, and returns the command's own exit code.
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
  case $(cd "$rag_root" && dotnet --version 2>/dev/null) in
    10.*) ;;
    *) die "the .NET 10 SDK is missing: 'dotnet --list-sdks' shows $(dotnet --list-sdks | cut -d' ' -f1 | paste -sd, -)." ;;
  esac
}
