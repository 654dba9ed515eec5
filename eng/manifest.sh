#!/usr/bin/env bash
# Writes aspire-manifest.json, what azd deploys, from the AppHost. No container runtime is needed.
#   eng/manifest.sh           writes it
#   eng/manifest.sh --check   exits 1 and prints the difference when the committed one is out of date
#   exit 2: the NuGet feed of this machine has no Aspire packages, so nothing can be said
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$(dotnet msbuild AppHost/AppHost.csproj -getProperty:AspirePackages)" != true ]; then
    echo "eng/manifest.sh: the NuGet feed has no Aspire packages (AspirePackages=false), the manifest cannot be generated here." >&2
    exit 2
fi

publish() {
    # Paths in the manifest are relative to it: it has to be written to this folder.
    ASPIRE_SUPPRESS_CLI_RUN_HOOK=true MSBUILDDISABLENODEREUSE=1 \
        dotnet run --project AppHost --no-launch-profile -- --publisher manifest --output-path "$PWD/$1"
}

case "${1:-}" in
    "")
        publish aspire-manifest.json
        ;;
    --check)
        trap 'rm -f aspire-manifest.check.json' EXIT
        publish aspire-manifest.check.json > /dev/null
        diff -u aspire-manifest.json aspire-manifest.check.json
        echo "aspire-manifest.json is up to date."
        ;;
    *)
        sed -n '2,5p' "$0" | sed 's/^# \{0,1\}//' >&2
        exit 64
        ;;
esac
