#!/usr/bin/env bash
# prometheus-node-exporter 1.9.0 (Debian 13; 1.11.1 of Debian unstable was seen to do the same).
#
# Behaviour: the textfile collector has a metric that says whether all went well, node_textfile_scrape_error. If two files state one metric, it is 1
# for the harmless difference (another HELP text) and 0 for those that lose samples just as well: another TYPE, a TYPE line missing in one file,
# the same series twice, and any name that node-exporter exports about itself, such as go_gc_gomemlimit_bytes. The page is
# served with 200, the lost file still has its node_textfile_mtime_seconds, and the collector counts as successful. Only the log knows.
#
# Seen, with app_limit{pod="a"} in a.prom as a gauge with HELP; b.prom holds pod="b" (pod="a" in the fourth row):
#   b.prom with                scrape_error   sample of b.prom
#   the same HELP and TYPE     0              there
#   another HELP               1              lost
#   TYPE counter               0              lost
#   neither HELP nor TYPE      0              lost
#   the same series            0              lost
#   go_gc_gomemlimit_bytes     0              lost
#
# Why it hurts: two writers on one node (two versions of a tool in an upgrade, a script beside a program) are what the folder is for. Alerts on
# scrape_error and on the age of the files, the two that the documentation leads to, both stay silent while one writer's numbers are gone.
#
# Exit codes: 0 as described, 1 no longer so, 77 the package could not be had.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; wait; rm -rf "$work"' EXIT
cd "$work"

unpack() { # PACKAGE=VERSION of Debian 13, from the mirror that this machine uses, into the folder root
    local mirror apt
    mirror=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' | awk '$1 == "Debian" {print $2; exit}')
    mkdir -p state/lists/partial cache/archives/partial
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >sources.list
    apt=(apt-get -qq -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::State="$work/state"
        -o Dir::Cache="$work/cache" -o Acquire::Languages=none -o APT::Sandbox::User=root)
    "${apt[@]}" update && "${apt[@]}" download "$@" && for deb in ./*.deb; do dpkg -x "$deb" root; done
}
unpack prometheus-node-exporter=1.9.0-1+b4 || exit 77

mkdir files
printf '# HELP app_limit a limit\n# TYPE app_limit gauge\napp_limit{pod="a"} 1\n' >files/a.prom
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
nice -n 10 root/usr/bin/prometheus-node-exporter --collector.disable-defaults --collector.textfile --collector.textfile.directory=files \
    --web.listen-address="127.0.0.1:$port" >log 2>&1 &
server=$!
for _ in $(seq 50); do curl -s "127.0.0.1:$port" >page && break || sleep 0.2; done

look() { # WORDS, a pattern for the sample, and the lines of b.prom: what the page says
    printf '%b' "$3" >files/b.prom
    local code lost=lost
    code=$(curl -s -o page -w '%{http_code}' "127.0.0.1:$port/metrics")
    ! grep -qE "$2" page || lost=there
    grep -q 'node_textfile_mtime_seconds{file="files/b.prom"}' page
    grep -q 'node_scrape_collector_success{collector="textfile"} 1' page
    echo "$1: $code, scrape_error $(awk '/^node_textfile_scrape_error/ {print $2}' page), $lost"
}
{
    look same '^app_limit.pod="b". 2' '# HELP app_limit a limit\n# TYPE app_limit gauge\napp_limit{pod="b"} 2\n'
    look help '^app_limit.pod="b". 2' '# HELP app_limit the limit\n# TYPE app_limit gauge\napp_limit{pod="b"} 2\n'
    look counter '^app_limit.pod="b". 2' '# HELP app_limit a limit\n# TYPE app_limit counter\napp_limit{pod="b"} 2\n'
    look bare '^app_limit.pod="b". 2' 'app_limit{pod="b"} 2\n'
    look twice '^app_limit.pod="a". 2' '# HELP app_limit a limit\n# TYPE app_limit gauge\napp_limit{pod="a"} 2\n'
    look own '^go_gc_gomemlimit_bytes.pod="b". 2' '# TYPE go_gc_gomemlimit_bytes gauge\ngo_gc_gomemlimit_bytes{pod="b"} 2\n'
} | tee answers
diff answers - <<'EOF'
same: 200, scrape_error 0, there
help: 200, scrape_error 1, lost
counter: 200, scrape_error 0, lost
bare: 200, scrape_error 0, lost
twice: 200, scrape_error 0, lost
own: 200, scrape_error 0, lost
EOF
