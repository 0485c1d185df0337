#!/usr/bin/env bash
# A RabbitMQ of its own for fanout.py, with Debian's package rabbitmq-server, beside any other that
# runs: broker.sh [PORT [CONF [ADDRESS [DATA]]]], 35672 on 127.0.0.1 without them, with CONF's lines in its
# configuration. Takes the three ports above, too: two on 127.0.0.1, and behind them one on ADDRESS, for the
# protocol of streams. What it writes is in a temporary folder; what it knows in DATA, which it leaves. Says
# "ready"; Ctrl-C or SIGTERM ends it.
set -euo pipefail

port=${1:-35672}
address=${3:-127.0.0.1}
server=$(compgen -G '/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server' | tail -n 1) || {
    echo "broker.sh: no RabbitMQ: install rabbitmq-server" >&2
    exit 1
}

dir=$(mktemp -d)
children=()
end() {
    # The shell script $server outlives a signal of its own; the node in it ends by one.
    [ ! -s "$dir/pid" ] || kill "$(cat "$dir/pid")" 2>/dev/null || true
    [ ! -s "$dir/pid" ] || wait "${children[1]}" || true
    kill "${children[@]}" 2>/dev/null || true
    wait
    rm -rf "$dir"
}
trap end EXIT
trap 'exit 0' INT TERM

cat >"$dir/rabbitmq.conf" <<END
listeners.tcp.1 = $address:$port
stream.listeners.tcp.1 = $address:$((port + 3))
stream.advertised_host = $address
stream.advertised_port = $((port + 3))
log.console = true
END
[ -z "${2:-}" ] || cat "$2" >>"$dir/rabbitmq.conf"
echo '[rabbitmq_stream].' >"$dir/plugins"
# Not the script in /usr/sbin, which changes the user; no daemon of Erlang's but this one's.
export HOME=$dir RABBITMQ_NODENAME=seqcast-$port@localhost RABBITMQ_DIST_PORT=$((port + 1)) \
    ERL_EPMD_PORT=$((port + 2)) ERL_EPMD_ADDRESS=127.0.0.1 \
    RABBITMQ_CONFIG_FILE=$dir/rabbitmq.conf RABBITMQ_CONF_ENV_FILE=/dev/null \
    RABBITMQ_ENABLED_PLUGINS_FILE=$dir/plugins RABBITMQ_MNESIA_BASE=${4:-$dir/mnesia} \
    RABBITMQ_LOG_BASE=$dir/log RABBITMQ_PID_FILE=$dir/pid ERL_CRASH_DUMP=$dir/crash
epmd -port "$ERL_EPMD_PORT" -address 127.0.0.1 &
children+=($!)
"$server" >"$dir/out" 2>&1 &
children+=($!)

answers() {
    (exec 3<>"/dev/tcp/$address/$1") 2>/dev/null
}
until answers "$port" && answers $((port + 3)); do
    kill -0 "${children[1]}" 2>/dev/null || {
        tail -n 20 "$dir/out" >&2
        exit 1
    }
    sleep 0.2
done
echo "ready on $address:$port, pid $(cat "$dir/pid")"
wait "${children[1]}"
