#!/usr/bin/env bash
# A throw-away Postgres on loopback for tests and benchmarks.
#
# usage: tests/support/postgres.sh start    prints its URL; repeated, the URL of the running one
#        tests/support/postgres.sh stop     ends it by its process id and removes its files
#
# It keeps nothing: writes are not forced to disk, unless DURABLE=1 is set, which benchmarks
# want. As root it runs as the user postgres, because Postgres refuses to run as root.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
state="${CARGO_TARGET_DIR:-$root/target}/test-postgres"

say() { printf 'postgres.sh: %s\n' "$*" >&2; }

unprivileged() {
  if [ "$(id -u)" = 0 ]; then
    runuser -u postgres -- "$@"
  else
    "$@"
  fi
}

programs() {
  local newest
  newest=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
  if [ -z "$newest" ]; then
    newest=$(dirname "$(command -v initdb 2>/dev/null || echo /none/initdb)")
  fi
  if [ ! -x "$newest/initdb" ]; then
    say "initdb is missing; install the package postgresql"
    exit 1
  fi
  echo "$newest"
}

free_port() {
  local port
  for _ in $(seq 50); do
    port=$((20000 + RANDOM % 20000))
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      echo "$port"
      return
    fi
  done
  say "no free port found"
  exit 1
}

start() {
  if [ -s "$state" ]; then
    # shellcheck disable=SC1090
    . "$state"
    if kill -0 "$pid" 2>/dev/null; then
      echo "$url"
      return
    fi
    rm -rf "$folder" "$state"
  fi
  local bin folder port password url pid
  bin=$(programs)
  folder=$(unprivileged mktemp -d "${TMPDIR:-/tmp}/test-postgres.XXXXXX")
  password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  port=$(free_port)
  # cd: the user postgres may not be allowed to stand where we stand
  cd /
  printf '%s' "$password" | unprivileged tee "$folder/password" >/dev/null
  unprivileged "$bin/initdb" -D "$folder/data" -U authdex --pwfile="$folder/password" \
    --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --no-sync >"/dev/null"
  local speed=(-c fsync=off -c synchronous_commit=off -c full_page_writes=off)
  if [ "${DURABLE:-}" = 1 ]; then speed=(-c fsync=on); fi
  unprivileged "$bin/postgres" -D "$folder/data" -p "$port" -c listen_addresses=127.0.0.1 \
    -c unix_socket_directories="$folder" -c max_connections=400 -c shared_buffers=256MB \
    -c max_wal_size=2GB "${speed[@]}" >"$state.log" 2>&1 </dev/null &
  url="postgres://authdex:$password@127.0.0.1:$port/postgres"
  for _ in $(seq 100); do
    if PGPASSWORD="$password" "$bin/psql" -h 127.0.0.1 -p "$port" -U authdex -d postgres \
      -qAtc 'SELECT 1' >/dev/null 2>&1; then
      pid=$(unprivileged head -n 1 "$folder/data/postmaster.pid")
      printf 'pid=%q\nfolder=%q\nurl=%q\n' "$pid" "$folder" "$url" >"$state"
      echo "$url"
      return
    fi
    sleep 0.1
  done
  say "it did not start; see $state.log"
  exit 1
}

stop() {
  if [ ! -s "$state" ]; then
    return
  fi
  # shellcheck disable=SC1090
  . "$state"
  if kill -0 "$pid" 2>/dev/null; then
    kill -INT "$pid"
    for _ in $(seq 100); do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.1
    done
  fi
  rm -rf "$folder" "$state" "$state.log"
}

case "${1:-}" in
  start) mkdir -p "$(dirname "$state")" && start ;;
  stop) stop ;;
  *)
    say "usage: $0 start|stop"
    exit 2
    ;;
esac
