#!/usr/bin/env bash
# Starts the platform: installs what is missing, builds, starts, and on the first start indexes the project's own documentation into
# the workspace "docs". Ctrl-C stops everything that it started; the data stays in .data (or RAG_DATA).
#   ./run.sh [options]
#     --single               all services in one process, over a PostgreSQL and a Valkey in the data folder
#     --aspire               the Aspire AppHost, with containers; the default where Aspire's packages restore and containers run
#     --smoke                try it all out in a temporary folder on free ports, print the top hit and the time, stop; exit code 0 or 1
#     --data DIR             where the data is kept                       (RAG_DATA, default .data)
#     --port N               the search API                               (RAG_PORT, default 5080)
#     --dashboard-port N     the dashboard                                (default 5081)
#     --embedding-port N, --worker-port N                                 (default 5082, 5083)
#     any other option of the single node: dotnet run --project Services/SingleNode -- --help
#   RAG_POSTGRES and RAG_VALKEY name servers that exist (connection strings of Npgsql and of StackExchange.Redis).
set -euo pipefail
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/eng/common.sh"

mode=auto smoke=false data=${RAG_DATA:-$rag_root/.data} node_options=()
while [ $# -gt 0 ]; do
  case $1 in
    --single) mode=single ;;
    --aspire) mode=aspire ;;
    --smoke) smoke=true ;;
    --data) data=${2:?--data needs a folder}; shift ;;
    --data=*) data=${1#--data=} ;;
    -h|--help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "$0"; exit 0 ;;
    --*=*|--no-valkey) node_options+=("$1") ;;
    --*) node_options+=("$1" "${2:?$1 needs a value}"); shift ;;
    *) die "there is no option $1; see --help" ;;
  esac
  shift
done
case $data in /*) ;; *) data=$PWD/$data ;; esac
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

containers_run() {
  local tool
  for tool in docker podman; do
    command -v "$tool" >/dev/null && timeout 10 "$tool" info >/dev/null 2>&1 && return 0
  done
  return 1
}

need_dotnet
eng=$rag_root/eng
if [ "$mode" = auto ]; then
  # Servers and ports of one's own choice are options of the single node.
  mode=single
  if ! $smoke && [ ${#node_options[@]} -eq 0 ] && [ -z "${RAG_POSTGRES:-}${RAG_VALKEY:-}${RAG_PORT:-}" ]; then
    if containers_run; then mode=aspire; fi
  fi
fi

# field NAME FILE: the value of a member of node.json, which has one on each line.
field() { sed -n "s/^  \"$1\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}$/\1/p" "$2" 2>/dev/null; }

start_single() {
  if [ -z "${RAG_POSTGRES:-}" ]; then
    local code=0
    "$eng/install-backends.sh" || code=$?
    # 3: only Valkey is missing, and the node runs without it.
    [ "$code" -eq 0 ] || [ "$code" -eq 3 ] || exit 1
  fi
  build_release

  dotnet "$(built_dll SingleNode)" --data "$data" "${node_options[@]}" &
  child=$!
  until [ "$(field processId "$data/node.json")" = "$child" ]; do
    if ! kill -0 "$child" 2>/dev/null; then
      local code=0
      wait "$child" || code=$?
      child=
      ! $smoke || die "smoke: the node did not start (exit code $code)."
      exit "$code"
    fi
    sleep 0.1
  done
  api=$(field api "$data/node.json")
}

# launch_url SERVICE: where the AppHost lets it listen.
launch_url() {
  sed -n 's/.*"applicationUrl": "\(http:[^";]*\).*/\1/p' "$rag_root/Services/$1/Properties/launchSettings.json" | head -n 1
}

start_aspire() {
  [ ${#node_options[@]} -eq 0 ] ||
    die "${node_options[0]} is an option of the single node; with --aspire the ports are in Services/*/Properties/launchSettings.json."
  containers_run || die "neither docker nor podman answers: start one, or use --single."
  build_release
  quietly dotnet build "$rag_root/AppHost" -c Release -v q -nologo -clp:NoSummary || die "the build failed."

  # The same key file as in the single node, so that the commands and the documentation are the same.
  (
    umask 077
    mkdir -p "$data"
    [ -s "$data/admin.key" ] || printf 'rag_%s\n' "$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')" >"$data/admin.key"
  )
  api=$(launch_url SearchApi)
  Parameters__admin_key=$(cat "$data/admin.key") dotnet run --project "$rag_root/AppHost" -c Release --no-build --launch-profile http &
  child=$!
  say "waiting for the containers and services (the first time the images are downloaded)"
  until ./rag status --url "$api" --key-file "$data/admin.key" >/dev/null 2>&1; do
    if ! kill -0 "$child" 2>/dev/null; then
      local code=0
      wait "$child" || code=$?
      child=
      die "the AppHost ended (exit code $code)."
    fi
    sleep 1
  done
  printf 'API        %s\nDashboard  %s\nAdmin key  %s\n' "$api" "$(launch_url Dashboard)" "$data/admin.key"
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
  node_options+=(--port 0 --dashboard-port 0 --embedding-port 0 --worker-port 0 --log Warning)
  start_single
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

Ctrl-C stops everything; the data stays in $data.
TEXT
code=0
wait "$child" || code=$?
child=
exit "$code"
