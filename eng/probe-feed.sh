#!/usr/bin/env bash
# Asks the configured NuGet feed once whether it has the Aspire packages, and writes the answer into feed.props (git-ignored), which
# Directory.Build.props imports. Without an answer (offline, timeout) nothing is written: the default is that the feed has them.
#   eng/probe-feed.sh [--again]     --again asks although feed.props exists
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

answer_file=$rag_root/feed.props
[ "${1:-}" = --again ] || [ ! -e "$answer_file" ] || exit 0
# The environment variable decides for itself, and only for the commands that see it.
[ -z "${AspirePackages:-}" ] || exit 0
need_dotnet

# Inside the clone, so that a NuGet.config there applies; with its own props, so that nothing else does.
mkdir -p "$rag_root/obj"
probe=$(mktemp -d "$rag_root/obj/feed-probe.XXXXXX")
trap 'rm -rf "$probe"; rmdir "$rag_root/obj" 2>/dev/null || true' EXIT
for name in Directory.Build.props Directory.Build.targets Directory.Packages.props; do echo '<Project />' >"$probe/$name"; done

# The very packages and versions that the build would take, with all they depend on.
references=$(sed -n "/AspirePackages)' == 'true'/,/<\/ItemGroup>/s/PackageVersion/PackageReference/p" "$rag_root/Directory.Packages.props")
sdk=$(sed -n 's/.*Sdk="Aspire.AppHost.Sdk" Version="\([^"]*\)".*/\1/p' "$rag_root/AppHost/AppHost.csproj" | head -n 1)
[ -n "$references" ] && [ -n "$sdk" ] || die "found no Aspire packages in Directory.Packages.props and AppHost.csproj to ask for."
cat >"$probe/probe.csproj" <<PROJECT
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup><TargetFramework>net10.0</TargetFramework><NuGetAudit>false</NuGetAudit></PropertyGroup>
  <ItemGroup>
    <PackageDownload Include="Aspire.AppHost.Sdk" Version="[$sdk]" />
$references
  </ItemGroup>
</Project>
PROJECT

write_answer() {
  # A value given on the command line or in the environment wins.
  cat >"$probe/answer" <<PROJECT
<Project>
  <PropertyGroup>
    <AspirePackages Condition="'\$(AspirePackages)' == ''">$1</AspirePackages>
  </PropertyGroup>
</Project>
PROJECT
  mv "$probe/answer" "$answer_file"
}

if timeout 300 dotnet restore "$probe/probe.csproj" -nologo -v q >"$probe/log" 2>&1; then
  write_answer true
# NU1101 and NU1102: the feed answered that it does not have the package, or not in that version. NU1301: a source gave no answer.
elif grep -q -E 'error NU110[123]' "$probe/log" && ! grep -q 'NU1301' "$probe/log"; then
  write_answer false
  say "the NuGet feed has no Aspire packages: building without the AppHost (feed.props says so; eng/probe-feed.sh --again asks once more)."
else
  say "the NuGet feed gave no answer about the Aspire packages: going on as if it had them."
fi
