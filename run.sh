#!/usr/bin/env bash
# Starts the platform: installs what is missing, builds, starts, and on the first start indexes the project's own documentation into
# the workspace "docs". Ctrl-C stops everything that it started; the data stays in .data (or RAG_DATA).
#   ./run.sh [options]         the Aspire AppHost, with its dashboard and a process for each service
#     --backends KIND          where PostgreSQL and Valkey come from: containers, local (servers of this machine), or external (connection
#                              strings); containers where Docker or Podman answers, else local
#     --single                 all services in one process, over a PostgreSQL and a Valkey in the data folder
#     --smoke                  try it all out in a temporary folder on free ports, print the top hit and the time, stop; exit code 0 or 1
#     --data DIR               where the data is kept                     (RAG_DATA, default .data)
#     with --single: --port N  the search API                             (RAG_PORT, default 5080)
#       --dashboard-port N, --embedding-port N, --worker-port N           (default 5081, 5082, 5083)
#       any other option of the single node: dotnet run --project Services/SingleNode -- --help
#     without it: any setting of the AppHost as --Name=VALUE
#   RAG_POSTGRES and RAG_VALKEY name servers that exist (connection strings of Npgsql and of StackExchange.Redis).
set -euo pipefail
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/eng/common.sh"

mode=apphost smoke=false data=${RAG_DATA:-$rag_root/.data} backends= options=()
while [ $# -gt 0 ]; do
  case $1 in
    --single) mode=single ;;
    --smoke) smoke=true ;;
    --backends) backends=${2:?--backends takes containers, local or external}; shift ;;
    --backends=*) backends=${1#--backends=} ;;
    --data) data=${2:?--data needs a folder}; shift ;;
    --data=*) data=${1#--data=} ;;
    -h|--help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "$0"; exit 0 ;;
    --*=*|--no-valkey) options+=("$1") ;;
    --*) options+=("$1" "${2:?$1 needs a value}"); shift ;;
    *) die "there is no option $1; see --help" ;;
  esac
  shift
done
case $data in /*) ;; *) data=$PWD/$data ;; esac
[ "$mode" = apphost ] || [ -z "$backends" ] || die "--backends is an option of the AppHost: leave out --single."
if [ "$mode" = apphost ]; then
  # Options of the single node would be settings that nobody reads.
  for option in "${options[@]}"; do
    case $option in --[A-Z]*=*) ;; *) die "$option is an option of the single node: add --single." ;; esac
  done
  [ -z "${RAG_POSTGRES:-}" ] || [ -n "${RAG_VALKEY:-}" ] || die "RAG_POSTGRES is set and RAG_VALKEY is not: name both, or use --single."
fi
case $backends in ''|containers|local|external) ;; *) die "--backends takes containers, local or external." ;; esac
began=$SECONDS
child= task=

# A signal reaches only this script: its children ignore Ctrl-C. So the script asks them to stop, and waits until they did.
stop_children() {
  trap '' INT TERM HUP
  local process
  for process in $task $child; do
    kill -TERM "$process" 2>/dev/null || true
    while kill -0 "$process" 2>/dev/null; do wait "$process" 2>/dev/null || true; done
  done
  task= child=
}
trap stop_children EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

need_dotnet
eng=$rag_root/eng

# field NAME FILE: the value of a member of node.json, which has one on each line.
field() { sed -n "s/^  \"$1\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}$/\1/p" "$2" 2>/dev/null; }

# The process that runs the platform says in node.json that it is ready.
wait_until_ready() {
  until [ "$(field processId "$data/node.json")" = "$child" ]; do
    if ! kill -0 "$child" 2>/dev/null; then
      local code=0
      wait "$child" || code=$?
      child=
      ! $smoke || die "smoke: the platform did not start (exit code $code)."
      exit "$code"
    fi
    sleep 0.1
  done
  api=$(field api "$data/node.json")
}

install_backends() {
  local code=0
  "$eng/install-backends.sh" || code=$?
  # 3: only Valkey is missing; the single node runs without it.
  [ "$code" -eq 0 ] || { [ "$code" -eq 3 ] && [ "$mode" = single ]; } || exit 1
}

start_single() {
  [ -n "${RAG_POSTGRES:-}" ] || install_backends
  build_release SingleNode Cli
  dotnet "$(built_dll SingleNode)" --data "$data" "${options[@]}" &
  child=$!
  wait_until_ready
}

engine_answers() {
  local tool
  for tool in ${ASPIRE_CONTAINER_RUNTIME:-docker podman}; do
    command -v "$tool" >/dev/null && timeout 10 "$tool" info >/dev/null 2>&1 && return 0
  done
  return 1
}

# setting NAME: what the AppHost's launch profile gives an environment variable.
setting() { sed -n "s/^ *\"$1\": \"\(.*\)\".*/\1/p" "$rag_root/AppHost/Properties/launchSettings.json" | head -n 1; }

# A port below those that the system gives away itself.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
}

start_apphost() {
  if [ -z "$backends" ]; then
    backends=local
    if [ -n "${RAG_POSTGRES:-}" ]; then backends=external; elif engine_answers; then backends=containers; fi
  fi
  [ "$backends" != local ] || install_backends
  build_release AppHost Cli

  # One key file for all ways to start, so that the commands and the documentation are the same; it wins over a user secret.
  (
    umask 077
    mkdir -p "$data"
    [ -s "$data/admin.key" ] || printf 'rag_%s\n' "$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')" >"$data/admin.key"
  )
  export Parameters__admin_key
  Parameters__admin_key=$(cat "$data/admin.key")
  export ConnectionStrings__ragdb=${RAG_POSTGRES:-${ConnectionStrings__ragdb:-}} ConnectionStrings__cache=${RAG_VALKEY:-${ConnectionStrings__cache:-}}
  local name
  for name in ASPNETCORE_ENVIRONMENT DOTNET_ENVIRONMENT ASPIRE_ALLOW_UNSECURED_TRANSPORT \
    ASPIRE_DASHBOARD_OTLP_ENDPOINT_URL ASPIRE_RESOURCE_SERVICE_ENDPOINT_URL; do
    export "$name=$(setting $name)"
  done
  ASPNETCORE_URLS=$(setting applicationUrl)
  if $smoke; then
    export DcpPublisher__RandomizePorts=true
    ASPNETCORE_URLS=http://localhost:$(free_port)
    ASPIRE_DASHBOARD_OTLP_ENDPOINT_URL=http://localhost:$(free_port)
    ASPIRE_RESOURCE_SERVICE_ENDPOINT_URL=http://localhost:$(free_port)
  fi
  export ASPNETCORE_URLS
  say "starting with $backends backends"
  dotnet "$(built_dll AppHost)" "--Backends=$backends" "--Data=$data" --Logging:LogLevel:Default=Warning "${options[@]}" &
  child=$!
  wait_until_ready
}

index_documentation() {
  local sources=() source
  for source in README.md docs; do [ -e "$rag_root/$source" ] && sources+=("$source"); done
  # In the background, because a signal is handled only while the script itself waits.
  ./rag ingest "${sources[@]}" --workspace docs --url "$api" --key-file "$data/admin.key" &
  task=$!
  local code=0
  wait "$task" || code=$?
  task=
  return "$code"
}

search() { ./rag search "$1" --workspace docs --limit 1 --json --url "$api" --key-file "$data/admin.key"; }

question='How is an embedding model replaced without downtime?'
cd "$rag_root"

if $smoke; then
  unset RAG_POSTGRES RAG_VALKEY RAG_PORT RAG_LISTEN RAG_DATA
  export EMBEDDINGS_PROVIDER=local
  data=$(mktemp -d)
  trap 'stop_children; rm -rf "$data"' EXIT
  if [ "$mode" = single ]; then
    options+=(--port 0 --dashboard-port 0 --embedding-port 0 --worker-port 0 --log Warning)
  else
    # Containers that go with it.
    options+=(--UseVolumes=false)
  fi
  "start_$mode"
  index_documentation || die "smoke: the documentation could not be indexed."
  # The first query of a process compiles what the next ones use.
  search "What is a chunk?" >/dev/null || die "smoke: the search failed."
  answer=$(search "$question") || die "smoke: the search failed."
  hit=$(sed -n 's/^ *"documentId": "\(.*\)",\{0,1\}$/\1/p' <<<"$answer" | head -n 1)
  time_ms=$(sed -n 's/^ *"total": \([0-9.]*\),\{0,1\}$/\1/p' <<<"$answer" | head -n 1)
  [ -n "$hit" ] || die "smoke: the search found nothing."
  stop_children
  echo "smoke: \"$question\" -> $hit in $(LC_ALL=C printf %.1f "$time_ms") ms; all of it took $((SECONDS - began)) s"
  exit 0
fi

"start_$mode"
if [ ! -e "$data/documentation-indexed" ]; then
  if index_documentation; then
    touch "$data/documentation-indexed"
  else
    say "the documentation could not be indexed; the next start tries again."
  fi
fi

curl_line="curl -s '${api%/}/v1/workspaces/docs/search' -H \"Authorization: Bearer \$(cat '$data/admin.key')\""
curl_line+=" -H 'Content-Type: application/json' -d '{\"query\": \"$question\", \"limit\": 3}'"
cat <<TEXT

Try it:
$curl_line

Ctrl-C stops everything; the data stays in $data (of containers: in volumes of the engine).
TEXT
code=0
wait "$child" || code=$?
child=
exit "$code"
