#!/usr/bin/env bash
# Installs what the platform runs on: PostgreSQL (15 or newer) with pgvector (0.8 or newer), and Valkey.
#   eng/install-backends.sh [--chromium] [--pgbouncer]
# Does nothing, at once, when all of it is there. Debian 12 and newer, Ubuntu 24.04 and newer; as root or through sudo.
#
# - Mirrors and keyrings come from the machine's own apt configuration. Suites that it does not list (Debian 12: the backports, for
#   Valkey, and the source packages of Debian 13, for pgvector) are read through a temporary configuration: /etc/apt stays as it is.
# - pgvector that the distribution does not offer new enough is compiled, and installed as the package postgresql-NN-pgvector.
# - No server is started or enabled: the platform starts its own processes in its own data folder.
# Exit codes: 0 all of it is there, 1 PostgreSQL is missing, 3 PostgreSQL is there but something else is missing, 2 wrong option.
set -euo pipefail

readonly min_postgres=15 min_pgvector=0.8
want_chromium=false want_pgbouncer=false
for arg in "$@"; do
  case $arg in
    --chromium) want_chromium=true ;;
    --pgbouncer) want_pgbouncer=true ;;
    -h|--help) sed -n '2,4s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "install-backends: unknown option $arg (there are --chromium and --pgbouncer)" >&2; exit 2 ;;
  esac
done

say() { printf 'install-backends: %s\n' "$*" >&2; }
die() { say "$*"; if has_postgres; then exit 3; fi; exit 1; }
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# --- what is there -----------------------------------------------------------------------------------------------------------------

# Prints the newest installed PostgreSQL major version that is new enough; nothing without one.
installed_postgres() {
  local bin newest=
  for bin in /usr/lib/postgresql/*/bin/postgres; do
    [ -x "$bin" ] || continue
    bin=${bin#/usr/lib/postgresql/}; bin=${bin%%/*}
    if [ "$bin" -ge "$min_postgres" ] && [ "$bin" -gt "${newest:-0}" ]; then newest=$bin; fi
  done
  printf '%s' "$newest"
}

# has_pgvector MAJOR: is pgvector there for it, and new enough?
has_pgvector() {
  local control=/usr/share/postgresql/$1/extension/vector.control version
  [ -r "$control" ] || return 1
  version=$(sed -n "s/^default_version *= *'\(.*\)'.*/\1/p" "$control")
  at_least "$version" "$min_pgvector"
}

has_postgres() {
  local major
  for major in $(cd /usr/lib/postgresql 2>/dev/null && echo *); do
    [ -x "/usr/lib/postgresql/$major/bin/postgres" ] && [ "$major" -ge "$min_postgres" ] && has_pgvector "$major" && return 0
  done
  return 1
}

has_valkey() { command -v valkey-server >/dev/null; }
has_chromium() { ! $want_chromium || command -v chromium >/dev/null || command -v chromium-browser >/dev/null; }
has_pgbouncer() { ! $want_pgbouncer || [ -x /usr/sbin/pgbouncer ] || command -v pgbouncer >/dev/null; }
all_there() { has_postgres && has_valkey && has_chromium && has_pgbouncer; }

missing() {
  has_postgres || printf 'PostgreSQL (%s or newer) with pgvector (%s or newer)\n' "$min_postgres" "$min_pgvector"
  has_valkey || printf 'valkey-server\n'
  has_chromium || printf 'chromium\n'
  has_pgbouncer || printf 'pgbouncer\n'
}

all_there && exit 0

wanted=$(missing | paste -sd ';' - | sed 's/;/, /g')
command -v apt-get >/dev/null || die "this machine has no apt. Please install: $wanted."
if [ "$(id -u)" -ne 0 ]; then
  # With a terminal sudo may ask for the password; without one it must work as it is.
  if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    say "needs root for: $wanted"
    exec sudo -- "$(readlink -f "$0")" "$@"
  fi
  die "no right to install packages (neither root nor sudo). Please install: $wanted."
fi

# One at a time on this machine; the lock is on a folder that exists anyway, so that no lock file stays.
exec 9</var/lib/dpkg
flock -n 9 || { say "another installation is running, waiting for it"; flock 9; }
all_there && exit 0

# --- a temporary apt configuration: the machine's own sources, and the extra suites ------------------------------------------------------

work=$(mktemp -d)
chmod 755 "$work"
undo=()
cleanup() {
  local step
  for step in "${undo[@]}"; do eval "$step" || true; done
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

. /etc/os-release
: "${ID:?}" "${VERSION_CODENAME:?/etc/os-release names no suite}"

mkdir -p "$work/parts" "$work/lists/partial" "$work/archives/partial" "$work/source"
if id _apt >/dev/null 2>&1; then chown _apt "$work/lists/partial" "$work/archives/partial" "$work/source"; fi
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
  [ -r "$file" ] && cp "$file" "$work/parts/machine-$(basename "$file")"
done

apt=(-o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$work/parts"
  -o Dir::State::lists="$work/lists" -o Dir::Cache::archives="$work/archives"
  -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=
  -o APT::Get::List-Cleanup=false -o Acquire::Languages=none -o Acquire::Retries=3
  -o APT::Get::Assume-Yes=true -o quiet=2 -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300)
export DEBIAN_FRONTEND=noninteractive LC_ALL=C

# Prints the machine's own source of the distribution as "URIs", "Signed-By" and further fields, without types, suites and components.
# Reads both formats of apt: deb822 stanzas and one-line lists.
own_source() {
  local file
  for file in "$work"/parts/machine-*.sources; do
    [ -r "$file" ] || continue
    awk -v suite="$VERSION_CODENAME" '
      function stanza_end() {
        if (types && suites && main && !off && uris != "") { print kept; found = 1; exit }
        kept = ""; uris = ""; types = suites = main = off = keep = 0
      }
      /^[ \t]*$/ { stanza_end(); next }
      /^#/ { next }
      /^[ \t]/ { if (keep) kept = kept $0 "\n"; next }
      {
        name = tolower($1); sub(/:.*/, "", name); value = $0; sub(/^[^:]*:[ \t]*/, "", value)
        padded = " " value " "; keep = 0
        if (name == "types") types = padded ~ / deb /
        else if (name == "suites") suites = index(padded, " " suite " ") > 0
        else if (name == "components") main = index(padded, " main ") > 0
        else if (name == "enabled") off = tolower(value) == "no"
        else { if (name == "uris") uris = value; kept = kept $0 "\n"; keep = 1 }
      }
      END { if (!found) stanza_end() }' "$file"
  done
  for file in "$work"/parts/machine-*.list; do
    [ -r "$file" ] || continue
    awk -v suite="$VERSION_CODENAME" '
      $1 == "deb" {
        line = $0; options = ""
        if (match(line, /\[[^]]*\]/)) {
          options = substr(line, RSTART + 1, RLENGTH - 2)
          line = substr(line, 1, RSTART - 1) substr(line, RSTART + RLENGTH)
        }
        n = split(line, part, " "); main = 0
        for (i = 4; i <= n; i++) if (part[i] == "main") main = 1
        if (part[3] != suite || !main) next
        print "URIs: " part[2]
        m = split(options, option, " ")
        for (i = 1; i <= m; i++) {
          name = tolower(option[i]); sub(/=.*/, "", name); value = option[i]; sub(/^[^=]*=/, "", value); gsub(/,/, " ", value)
          if (name == "arch") name = "architectures"
          print name ": " value
        }
        print ""; exit
      }' "$file"
  done
}

# extra_suite TYPE SUITE COMPONENTS...: adds a suite of the distribution's own mirror to the temporary configuration.
extra_suite() {
  local type=$1 suite=$2; shift 2
  local source
  source=$(own_source | awk 'BEGIN { RS = "" } NR == 1')
  [ -n "$source" ] || die "apt has no source with suite $VERSION_CODENAME and component main to take a mirror from. Please install: $wanted."
  printf '%s\nTypes: %s\nSuites: %s\nComponents: %s\n' "$source" "$type" "$suite" "$*" >"$work/parts/extra-$type-$suite.sources"
}

# An unreachable third-party source is no reason to stop: what is missing in the end is reported where it is missed.
refresh() { apt-get "${apt[@]}" update >"$work/update.log" 2>&1 || true; }

candidate() { { apt-cache "${apt[@]}" policy "$1" 2>/dev/null || true; } | awk '/Candidate:/ && $2 != "(none)" { print $2 }'; }

# run DESCRIPTION COMMAND...: quiet; a failure prints the end of what the command said.
run() {
  local what=$1; shift
  say "$what"
  if ! "$@" >"$work/log" 2>&1; then
    grep -h '^[EW]:' "$work/update.log" >&2 2>/dev/null || true
    tail -n 20 "$work/log" >&2
    die "failed: $what"
  fi
}

# no_autostart SERVICE: the package's service may not start now, nor at the next boot. A service that was there before is not touched.
no_autostart() {
  local service=$1
  if [ -e "/lib/systemd/system/$service.service" ] || [ -e "/etc/init.d/$service" ]; then return 0; fi
  export RUNLEVEL=1
  undo+=("update-rc.d $service disable >/dev/null 2>&1")
  [ -d /run/systemd/system ] || return 0
  systemctl mask --runtime --quiet "$service" 2>/dev/null || true
  undo+=("systemctl unmask --runtime --quiet $service")
}

install_packages() { apt-get "${apt[@]}" install --no-install-recommends "$@"; }

say "installing $wanted"
case $ID in
  debian)
    if ! has_valkey && [ "$VERSION_CODENAME" = bookworm ]; then extra_suite deb bookworm-backports main; fi
    source_suite=trixie ;;
  ubuntu) source_suite=resolute ;;
  *) source_suite= ;;
esac
run "reading the package lists" refresh

# --- PostgreSQL and pgvector ---------------------------------------------------------------------------------------------------------

# build_pgvector MAJOR: compiles pgvector against that PostgreSQL and installs it as a package. The headers are unpacked next to it
# rather than installed: their packages would bring a whole LLVM. Compilers that were missing are removed again.
build_pgvector() {
  local major=$1 root=$work/headers tree=$work/tree package version tools=()
  [ -n "$source_suite" ] || die "no pgvector $min_pgvector for PostgreSQL $major on $ID. Please install postgresql-$major-pgvector."
  extra_suite deb-src "$source_suite" main universe
  [ "$ID" = ubuntu ] || sed -i 's/ universe$//' "$work/parts/extra-deb-src-$source_suite.sources"
  run "reading the source package lists of $source_suite" refresh

  command -v gcc >/dev/null || tools+=(gcc libc6-dev)
  command -v make >/dev/null || tools+=(make)
  if [ ${#tools[@]} -gt 0 ]; then
    installed_packages >"$work/before-tools"
    undo+=(remove_tools)
    run "installing ${tools[*]} for the time of the build" install_packages "${tools[@]}"
    installed_packages >"$work/with-tools"
  fi

  cd "$work/source"
  run "fetching the source of pgvector and the headers of PostgreSQL $major" bash -c '
    set -e; major=$1; shift
    apt-get "$@" source --download-only pgvector
    apt-get "$@" download libpq-dev
    installed=$(dpkg-query -W -f "\${Version}" "postgresql-$major")
    apt-get "$@" download "postgresql-server-dev-$major=$installed" || apt-get "$@" download "postgresql-server-dev-$major"' _ "$major" "${apt[@]}"
  version=$(sed -n 's/^Version: //p' pgvector_*.dsc | head -n 1)
  at_least "$version" "$min_pgvector" || die "the newest source of pgvector here is $version, needed is $min_pgvector."
  mkdir -p "$root" "$tree" pgvector
  for package in ./*.deb; do dpkg-deb -x "$package" "$root"; done
  tar -xf pgvector_*.orig.tar.* -C pgvector --strip-components=1

  # OPTFLAGS: without -march=native, so that the package runs on every machine of this architecture (pgvector chooses by CPU at run time).
  local options=(-C pgvector OPTFLAGS= with_llvm=no
    PG_CONFIG="/usr/lib/postgresql/$major/bin/pg_config"
    includedir="$root/usr/include/postgresql"
    pkgincludedir="$root/usr/include/postgresql"
    includedir_server="$root/usr/include/postgresql/$major/server")
  run "compiling pgvector $version for PostgreSQL $major" make -j "$(nproc)" "${options[@]}"
  run "packaging it as postgresql-$major-pgvector" package_pgvector "$major" "$version" "$tree" "${options[@]}"
  run "installing postgresql-$major-pgvector" dpkg -i "$work/pgvector.deb"
  cd /
  # At once, not at the end: what is installed next may need a library that came with the compiler.
  remove_tools
}

installed_packages() { dpkg-query -W -f '${db:Status-Abbrev} ${binary:Package}\n' | sed -n 's/^ii *//p' | sort; }

# Removes exactly the packages that came with the compiler; nothing when there was one before.
remove_tools() {
  [ -s "$work/with-tools" ] || return 0
  comm -13 "$work/before-tools" "$work/with-tools" | xargs apt-get "${apt[@]}" purge >/dev/null 2>&1 || true
  rm -f "$work/with-tools"
}

package_pgvector() {
  local major=$1 version=$2 tree=$3; shift 3
  make install DESTDIR="$tree" "$@" && rm -rf "$tree/usr/include" "$tree$work" || return 1
  mkdir -p "$tree/DEBIAN" "$tree/usr/share/doc/postgresql-$major-pgvector"
  cp pgvector/LICENSE "$tree/usr/share/doc/postgresql-$major-pgvector/copyright"
  cat >"$tree/DEBIAN/control" <<CONTROL
Package: postgresql-$major-pgvector
Version: $version~local
Architecture: $(dpkg --print-architecture)
Maintainer: root <root@localhost>
Section: database
Priority: optional
Depends: postgresql-$major, libc6
Description: vector similarity search for PostgreSQL $major
 Compiled on this machine from the distribution's source package pgvector $version.
CONTROL
  dpkg-deb --root-owner-group -b "$tree" "$work/pgvector.deb"
}

if ! has_postgres; then
  major=$(installed_postgres)
  packages=()
  if [ -z "$major" ]; then
    major=$(apt-cache "${apt[@]}" depends postgresql 2>/dev/null | sed -n 's/^ *Depends: postgresql-\([0-9]*\)$/\1/p' | sort -n | tail -n 1)
    [ "${major:-0}" -ge "$min_postgres" ] || die "this release offers PostgreSQL ${major:-none}; needed is $min_postgres or newer. Please install it."
    packages+=("postgresql-$major")
    no_autostart postgresql
    # Nor may the package create its default cluster: nothing here would use it.
    settings=/etc/postgresql-common/createcluster.d
    undo+=("rm -f $settings/ragplatform.conf")
    [ -d "$settings" ] || undo+=("rmdir $settings 2>/dev/null")
    mkdir -p "$settings"
    echo 'create_main_cluster = false' >"$settings/ragplatform.conf"
  fi
  offered=$(candidate "postgresql-$major-pgvector")
  if [ -n "$offered" ] && at_least "$offered" "$min_pgvector"; then packages+=("postgresql-$major-pgvector"); fi
  if [ ${#packages[@]} -gt 0 ]; then run "installing ${packages[*]}" install_packages "${packages[@]}"; fi
  has_pgvector "$major" || build_pgvector "$major"
fi

# --- Valkey and the rest -------------------------------------------------------------------------------------------------------------

if ! has_valkey; then
  [ -n "$(candidate valkey-server)" ] || die "apt offers no valkey-server here (Ubuntu: is the component universe enabled?). Please install it."
  no_autostart valkey-server
  run "installing valkey-server" install_packages valkey-server
fi
if ! has_pgbouncer; then
  no_autostart pgbouncer
  run "installing pgbouncer" install_packages pgbouncer
fi
if ! has_chromium; then
  [ -n "$(candidate chromium)" ] || die "apt offers no chromium here (Ubuntu has it as a snap only). Please install it."
  run "installing chromium" install_packages chromium
fi

all_there || die "installed, and yet missing: $(missing | paste -sd, -)"
say "done"
