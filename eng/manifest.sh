#!/usr/bin/env bash
# Writes aspire-manifest.json, what azd deploys, from the AppHost. No container runtime is needed.
#   eng/manifest.sh           writes it
#   eng/manifest.sh --check   exits 1 and prints the difference when the committed one is out of date
set -euo pipefail
cd "$(dirname "$0")/.."

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
        sed -n '2,4p' "$0" | sed 's/^# \{0,1\}//' >&2
        exit 64
        ;;
esac
