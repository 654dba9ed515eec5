#!/usr/bin/env bash
# Builds everything and runs every test; the last line says how many passed and failed.
#   ./test.sh [--coverage] [PROJECT...]     e.g. ./test.sh Storage.Tests Integration.Tests
#     --coverage    also prints the line coverage of every assembly, over all the tests that ran
# Exit code 0 when everything passed. Integration tests run on PostgreSQL and Valkey processes of their own in a temporary folder, or
# on the servers that RAG_TEST_POSTGRES and RAG_TEST_VALKEY name. With CI set a missing server fails; otherwise its tests are skipped.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/eng/common.sh"
cd "$rag_root"

coverage=false projects=()
for arg in "$@"; do
  case $arg in
    --coverage) coverage=true ;;
    -h|--help) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 0 ;;
    -*) die "unknown option $arg (there is --coverage)" ;;
    *) [ -d "Tests/$arg" ] || die "there is no Tests/$arg"; projects+=("$arg") ;;
  esac
done
[ ${#projects[@]} -gt 0 ] || mapfile -t projects < <(cd Tests && ls -d *.Tests)

backends=(--pgbouncer)
[ -z "$(find Tests/Browser.Tests -maxdepth 2 -name '*Tests.cs' -print -quit)" ] || backends+=(--chromium)
eng/install-backends.sh "${backends[@]}" || [ -z "${CI:-}" ] || die "the servers that the tests need are missing."
need_dotnet

# No test may call, or pay, a provider that the developer's environment names.
unset OPENAI_API_KEY OPENAI_BASE_URL OPENAI_EMBEDDING_MODEL HF_API_KEY EMBEDDINGS_PROVIDER REDIS_URL REDIS_HOST

# Everything of this run is below one folder and in processes that carry its name, so that nothing of it outlives the script.
results=$(mktemp -d)
export RAG_TEST_RUN=$results TMPDIR=$results/tmp
mkdir "$TMPDIR"
# Servers that will not run as root must get through to what is theirs.
chmod 711 "$results" "$TMPDIR"
child=

# Processes of this run: whatever inherited its name, and servers, which work in its folder.
processes_of_run() {
  local process folder
  for process in /proc/[0-9]*; do
    [ "${process#/proc/}" != $$ ] && [ "${process#/proc/}" != "$BASHPID" ] || continue
    folder=$(readlink "$process/cwd" 2>/dev/null) || continue
    case $folder in "$results"/*) echo "${process#/proc/}"; continue ;; esac
    if grep -qsz "^RAG_TEST_RUN=$results$" "$process/environ" 2>/dev/null; then echo "${process#/proc/}"; fi
  done
}

# Ends what runs, waits until its servers have stopped in order, and removes the folder.
clean_up() {
  trap '' INT TERM HUP
  [ -z "$child" ] || kill -TERM "$child" 2>/dev/null || true
  local left until=$((SECONDS + 20))
  while left=$(processes_of_run) && [ -n "$left" ]; do
    if [ $SECONDS -ge $until ]; then kill -KILL $left 2>/dev/null || true; fi
    sleep 0.2
  done
  rm -rf "$results"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# watched NAME LOG COMMAND...: runs it with its output in LOG, and says every 10 s how far it is. Returns the command's exit code.
watched() {
  local name=$1 log=$2 code=0 began=$SECONDS said=$SECONDS done
  shift 2
  "$@" >"$log" 2>&1 &
  child=$!
  while kill -0 "$child" 2>/dev/null; do
    # A signal is handled when the sleep ends.
    sleep 0.5
    if [ $((SECONDS - said)) -ge 9 ]; then
      said=$SECONDS
      done=$(grep -cE '^ +(Passed|Failed|Skipped) ' "$log" || true)
      say "  $name: $((SECONDS - began)) s$([ "$done" -eq 0 ] || echo ", $done tests done")"
    fi
  done
  wait "$child" || code=$?
  child=
  return "$code"
}

say "building (Release)"
watched build "$results/log" dotnet build RagPlatform.sln -c Release -v q -nologo -clp:NoSummary || { cat "$results/log" >&2; die "the build failed."; }

collect=()
if $coverage; then
  setting=DataCollectionRunSettings.DataCollectors.DataCollector.Configuration
  collect=(--collect "XPlat Code Coverage" -- "$setting.Include=[RagPlatform.*]*" "$setting.Exclude=[RagPlatform.*.Tests]*")
fi

# The runner's summary has a line each: "     Passed: 12".
count() { sed -n "s/^ *$1: *\([0-9]*\)$/\1/p" "$results/log" | awk '{ n += $1 } END { print n + 0 }'; }

total_passed=0 total_failed=0 total_skipped=0
for project in "${projects[@]}"; do
  code=0 began=$SECONDS
  watched "$project" "$results/log" timeout -k 10 900 dotnet test "Tests/$project" -c Release --no-build --nologo \
    --logger "console;verbosity=normal" --results-directory "$results/$project" "${collect[@]}" || code=$?
  passed=$(count Passed) failed=$(count Failed) skipped=$(count Skipped)
  # A run that broke before it could count is a failure that no line counts.
  if [ "$code" -ne 0 ] && [ "$failed" -eq 0 ]; then failed=1; fi
  [ "$failed" -eq 0 ] || grep -vE '^ +Passed ' "$results/log" || true
  if [ "$skipped" -gt 0 ]; then grep -E -A1 '\[SKIP\]' "$results/log" | grep -v '^--' | head -n 6 || true; fi
  printf '%-24s %5d passed, %d failed, %d skipped  (%d s)\n' "$project" "$passed" "$failed" "$skipped" $((SECONDS - began))
  total_passed=$((total_passed + passed)) total_failed=$((total_failed + failed)) total_skipped=$((total_skipped + skipped))
done

# Line coverage of each assembly: a line counts as covered when any test project ran it. Generated files do not count.
print_coverage() {
  find "$results" -name coverage.cobertura.xml -exec cat {} + | awk '
    /<package name=/ { split($0, part, "\""); assembly = part[2] }
    /<class / { file = $0; sub(/.* filename="/, "", file); sub(/".*/, "", file) }
    /<line / && file !~ /(^|\/)obj\// {
      number = $0; sub(/.* number="/, "", number); sub(/".*/, "", number)
      hits = $0; sub(/.* hits="/, "", hits); sub(/".*/, "", hits)
      key = assembly SUBSEP file SUBSEP number
      if (!(key in line)) { line[key] = 0; lines[assembly]++ }
      if (hits > 0 && !line[key]) { line[key] = 1; covered[assembly]++ }
    }
    END {
      for (assembly in lines) {
        printf "%-32s %5.1f %% of %d lines\n", assembly, 100 * covered[assembly] / lines[assembly], lines[assembly] | "sort"
        all += lines[assembly]; hit += covered[assembly]
      }
      close("sort")
      if (all) printf "%-32s %5.1f %% of %d lines\n", "all", 100 * hit / all, all
    }'
}
if $coverage; then print_coverage; fi

if [ "$total_skipped" -gt 0 ]; then
  echo "$total_passed passed, $total_failed failed, $total_skipped skipped"
else
  echo "$total_passed passed, $total_failed failed"
fi
[ "$total_failed" -eq 0 ]
