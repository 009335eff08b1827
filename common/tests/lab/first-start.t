#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A lab's first start reports each accident clearly, and succeeds when the command is repeated. The
# accidents are no network, a network that goes away, no disk, a disk that fills up, ^C, two starts
# at once, and no memory for the guests. Nothing half-made is taken for complete. The parts of the
# lab are fetched several times, so this test belongs to make check-long.

set -u
cd "$(dirname "$0")/../../.." || exit
. common/tests/lib/tap.sh
lab=$PWD/common/lab/lab
tmp=$(mktemp -d)
export LAB_BUILD="$tmp/build" LAB_NAME=first
trap '"$lab" stop 2>/dev/null; umount "$tmp/build" 2>/dev/null; rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM HUP

# interrupted_at FILE COMMAND...: is sent ^C as soon as there is the file, or has ended;
# its status. A shell would have the command ignore it, so it is started by perl.
interrupted_at() {
	perl -e '
		use POSIX ":sys_wait_h";
		my ($file, @command) = @ARGV;
		my $pid = fork // die;
		if (!$pid) { setpgrp; $SIG{INT} = "DEFAULT"; exec @command }
		select undef, undef, undef, 0.05 until -e $file || waitpid($pid, WNOHANG) > 0;
		kill "INT", -$pid;
		waitpid $pid, 0;
		exit($? & 127 ? 128 + ($? & 127) : $? >> 8)' "$@"
}

nothing_runs() {
	! pgrep -f "$tmp/build" || { ps -fp "$(pgrep -f "$tmp/build" | paste -sd ,)"; return 1; }
}

no_images() { [ ! -e "$LAB_BUILD/images" ]; }

# -- the network -----------------------------------------------------------------

# A proxy that forwards so many bytes, and then is no more. Prints its port.
proxy() {
	python3 -c '
import http.server, os, sys, urllib.request

left = int(sys.argv[1])

class Proxy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global left
        asked = {n: v for n, v in self.headers.items() if n.lower() not in ("host", "connection", "proxy-connection")}
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            answer = opener.open(urllib.request.Request(self.path, headers=asked))
        except urllib.error.HTTPError as error:
            answer = error
        self.send_response(answer.status)
        for name in ("Content-Length", "Last-Modified", "Content-Range"):
            if name in answer.headers:
                self.send_header(name, answer.headers[name])
        self.end_headers()
        while block := answer.read(65536):
            left -= len(block)
            if left < 0:
                os._exit(0)
            self.wfile.write(block)

    def log_message(self, *words):
        pass

server = http.server.HTTPServer(("127.0.0.1", 0), Proxy)
print(server.server_port, flush=True)
server.serve_forever()' "$1" >"$tmp/port" &
	proxy=$!
	until [ -s "$tmp/port" ]; do sleep 0.1; kill -0 $proxy || return; done
}

ok "no network: an error, with what to do" says 1 'run the same command again' env LAB_MIRROR=http://127.0.0.1:9/debian "$lab" start
ok "no images are left" no_images
proxy 30000000 || bail_out "the proxy does not start"
ok "a network that goes away after 30 MB: the same" says 1 'run the same command again' \
	env http_proxy="http://127.0.0.1:$(cat "$tmp/port")" "$lab" start
ok "the network was that one" sh -c '! kill $1 2>/dev/null' sh "$proxy"
ok "no images are left, and nothing runs" eval 'no_images && nothing_runs'

# -- the disk ----------------------------------------------------------------------

# fills_up FILE: as soon as there is that file, the disk is full.
fills_up() {
	"$lab" start >"$tmp/said" 2>&1 </dev/null &
	starting=$!
	until [ -e "$1" ] || ! kill -0 $starting 2>/dev/null; do sleep 0.05; done
	head -c 2000000000 /dev/zero >"$LAB_BUILD/fill" 2>/dev/null
	wait $starting
	echo "status $?" >>"$tmp/said"
	rm "$LAB_BUILD/fill"
	cat "$tmp/said"
}

rm -rf "$LAB_BUILD"
mkdir -p "$LAB_BUILD"
if mount -t tmpfs -o size=500m lab "$LAB_BUILD" 2>/dev/null; then
	ok "too little space is said at once" says 1 '[0-9]+ MiB free, and making the lab needs 1000 MiB' "$lab" start
	mount -o remount,size=1200m "$LAB_BUILD"
	said=$(fills_up "$LAB_BUILD/making/debian/var")
	has "$said" '^status 1$' "the disk is full while packages are unpacked: an error"
	has "$said" 'run the same command again' "with what to do"
	ok "no images are left" no_images
	said=$(fills_up "$LAB_BUILD/making/dom0")
	has "$said" '^status 1$' "the disk is full while the roots are made: an error"
	has "$said" 'could not be' "which is said"
	ok "no images are left, and nothing runs" eval 'no_images && nothing_runs'
	"$lab" stop 2>/dev/null
	umount "$LAB_BUILD"
else
	pass "a full disk # SKIP nothing can be mounted here"
fi

# -- ^C ------------------------------------------------------------------------------

# interrupted_start WHAT FILE
interrupted_start() {
	ok "^C while $1: an error" says 130 'interrupted: nothing is left running' interrupted_at "$2" "$lab" start
	ok "^C while $1: no images are left, and nothing runs" eval 'no_images && nothing_runs'
}

interrupted_start "packages are fetched" "$LAB_BUILD/making/debian/var"
interrupted_start "the kernel is unpacked" "$LAB_BUILD/making/image/vmlinux"
interrupted_start "the roots are made" "$LAB_BUILD/making/domU"

# -- two at once -----------------------------------------------------------------------

LAB_NAME=other "$lab" start >"$tmp/other" 2>&1 </dev/null &
other=$!
said=$("$lab" start 2>&1 </dev/null)
is "$?" 0 "two first starts at once: the one"
wait $other
is "$?" 0 "and the other"
has "$(cat "$tmp/other")$said" 'waiting for it' "one of them has waited"
ok "each has a lab" sh -c '"$1" run dom0 true && LAB_NAME=other "$1" run domU true' sh "$lab"
LAB_NAME=other "$lab" stop
"$lab" stop

# -- memory ------------------------------------------------------------------------------

ok "no memory for the guests: an error" says 1 'QEMU did not start: .*[Mm]emory' sh -c 'ulimit -v 600000; exec "$1" start' sh "$lab"
ok "nothing runs" nothing_runs
rm -rf "$LAB_BUILD"/images/*/snapshots
"$lab" start >"$tmp/said" 2>&1 </dev/null &
starting=$!
until grep -qs 'Xen version' "$LAB_BUILD/run.first/dom0.console" || ! kill -0 $starting; do sleep 0.1; done
kill -KILL "$(cat "$LAB_BUILD/run.first/pid")"	# as the kernel does with the process that has most memory
wait $starting
is "$?" 1 "the guests are killed for their memory while they boot: an error"
ok "which says so" grep 'QEMU ended while the lab waited for' "$tmp/said"
ok "the next start works" "$lab" start
ok "and is a lab" "$lab" run domU true
"$lab" stop
ok "nothing runs" nothing_runs
done_testing
