#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# xbwatch shows and draws what happens to a device, in both domains, whatever a guest writes.
# Nothing that a guest writes reaches the terminal or a chart as it is.

stage=03-shared-memory
. "$(dirname "$0")/../lib/stage.sh"
work=$top/.build/tests/xbwatch
tools=$top/common/tools
xbwatch=$top/.build/tools/xbwatch
escape=$(printf '\033')

# -- without a lab -------------------------------------------------------------

# exits STATUS PATTERN DESCRIPTION ARGUMENT...: and says why in a line that matches.
exits() {
	status=$1 pattern=$2 description=$3
	shift 3
	said=$("$xbwatch" "$@" 2>&1 </dev/null)
	is $? "$status" "$description: exit status $status"
	has "$said" "$pattern" "$description: and says so"
}

fuzzed() {
	gcc -std=gnu11 -O1 -g -Wall -Wextra -Werror -D_GNU_SOURCE '-DVERSION="x"' -fsanitize=address,undefined \
		-fno-sanitize-recover=all -I"$tools" -o "$work/fuzz" "$top/common/tests/tools/xenstore.c" \
		"$tools/xbwatch.c" "$tools"/watch/*.c "$tools/xenbus.c" || return 1
	for seed in $(seq 25); do
		XENSTORE_SEED=$seed "$work/fuzz" --msc="$work/f.msc" --dot="$work/f.dot" >"$work/f.out" 2>"$work/f.err" ||
			{ echo "seed $seed: exit status $?"; cat "$work/f.err"; return 1; }
		[ "$(wc -l <"$work/f.out")" -gt 20 ] || { echo "seed $seed: nothing was seen"; return 1; }
		! LC_ALL=C grep -an '[^ -~]' "$work/f.out" "$work/f.err" || { echo "seed $seed"; return 1; }
		! LC_ALL=C grep -anP '[^ -~\t]' "$work/f.msc" "$work/f.dot" || { echo "seed $seed"; return 1; }
		drawn "$work/f.msc" "$work/f.dot" || { echo "seed $seed"; return 1; }
	done
}

drawn() {
	mscgen -T svg -i "$1" -o "$work/chart.svg" && dot -T svg -o "$work/diagram.svg" "$2"
}

mkdir -p "$work"
ok "the tools and their man pages are built" make -s -C "$tools"
has "$(cat "$top/.build/tools/xbwatch.1")" '^\.TH "XBWATCH" "1" .*xbwatch [0-9]' "the man page is one, and says of which version"
has "$("$xbwatch" --version)" '^xbwatch [0-9.]+$' "--version"
has "$("$xbwatch" --help)" '^usage: xbwatch' "--help"
for option in $("$xbwatch" --help | grep -oE -- '--[a-z]+' | sort -u); do
	has "$(cat "$tools/xbwatch.1.md")" "\\\\$option" "$option is in the man page"
done
exits 64 'See: xbwatch --help' "a wrong option" --what
exits 64 "not '0'" "a count of 0" --count=0
exits 64 "not '9x'" "a count that is no number" -n 9x
exits 64 "not '-3'" "a timeout below 0" -t -3
exits 64 "not 'inf'" "a timeout without end" -t inf
exits 64 "unknown state 'Open'" "a wrong state" --until Open
exits 64 "unknown state ''" "half a pair of states" --until Closed,
exits 64 "one operand" "two operands" vif vbd
exits 64 'is not a domain' "an operand that is nothing" 'x y'
exits 64 'is not a domain' "an empty operand" ''
exits 64 'is not a domain' "a domain's number that is too large" 32752
exits 64 'is not a domain' "a path that is no device's" /local/domain/1/memory
exits 64 'is not a domain' "a number with a zero before it" /local/domain/01/device/vif/0
exits 64 'two charts' "two charts on standard output" --msc --dot
exits 64 'is empty' "a chart without a name" --msc=
if [ ! -e /proc/xen ] && [ ! -e /sys/hypervisor/type ]; then
	rm -f "$work/no.msc"
	exits 69 'does not run on Xen' "no XenStore" --msc="$work/no.msc"
	ok "no XenStore: no chart is left behind" test ! -e "$work/no.msc"
fi
ok "a guest that writes all it can think of: no sanitizer and no chart complains" fuzzed

# -- in the lab ---------------------------------------------------------------------

# watch NAME DOMAIN ARGUMENT...: in the background; what it says goes to NAME.out.
watch() {
	name=$1 domain=$2
	shift 2
	"$lab" run "$domain" "cd /tmp && ./xbwatch $*; echo status \$?" </dev/null >"$work/$name.out" 2>"$work/$name.err" &
	eval "watch_$name=$!"
	for try in $(seq 100); do
		! grep -qE 'waiting|is in domain' "$work/$name.out" "$work/$name.err" 2>/dev/null || return 0
		sleep 0.2
	done
	echo "# xbwatch in $domain says nothing: $(cat "$work/$name.err")"
}

# watched NAME: wait for its end; what it said is in $said then.
watched() {
	eval "wait \"\$watch_$1\""
	said=$(cat "$work/$1.out")
}

# The states in one line: "f:Initialising b:InitWait ...".
states_in() {
	awk '$3 !~ /end$/ { next }
		{ end = substr($3, 1, 1) }
		$4 == "state" { print end ":" $NF }
		/is removed: / { print end ":gone" }' "$work/$1.out" | paste -sd ' '
}

# Whatever the two ends do first, and whether the frontend says Closing or not.
begin='([fb]:Initialising )*b:InitWait (f:Initialising )?f:Initialised b:Connected f:Connected'
end='b:Closing (f:Closing )?f:Closed b:Closed f:gone b:gone'

# Events come together when the processor is busy with others: five tries.
a_whole_life() {
	for try in 1 2 3 4 5; do
		watch dom0 dom0 --msc=life.msc --dot=life.dot --until gone --timeout 280 mydevice
		watch domU domU --until gone --timeout 280 mydevice
		target load >"$work/load.log" 2>&1 || { cat "$work/load.log"; return 1; }
		target unload >"$work/load.log" 2>&1 || { cat "$work/load.log"; return 1; }
		watched dom0
		watched domU
		! states_in dom0 | grep -Ex "$begin $end" || ! states_in domU | grep -Ex "$begin $end" || return 0
	done
	echo "dom0: $(states_in dom0)"
	echo "domU: $(states_in domU)"
	return 1
}

# in_order FILE PATTERN...: a line for each, one after the other.
in_order() {
	file=$1
	shift
	from=1
	for pattern; do
		line=$(tail -n "+$from" "$file" | grep -nE -m 1 -- "$pattern" | cut -d : -f 1)
		[ -n "$line" ] || { echo "no $pattern from line $from on:"; cat "$file"; return 1; }
		from=$((from + line))
	done
}

# on_terminal COMMAND: in dom0, with a terminal.
on_terminal() {
	printf '%s\nexit\n' "$1" | TERM=xterm script -qec "'$lab' shell dom0" /dev/null
}

"$lab" start || bail_out "the lab does not start"
guest=$(in_dom0 'xl domid domU1') || bail_out "dom0 does not answer"
target unload >/dev/null 2>&1
"$lab" put dom0 "$xbwatch" /tmp && "$lab" put domU "$xbwatch" /tmp || bail_out "nothing can be copied into the lab"

ok "$stage is loaded and unloaded: both domains see every state, by name, in order" a_whole_life
has "$(cat "$work/dom0.out")" "mydevice-$guest-0 +frontend  event-channel +[0-9]+\$" "the nodes, too: what the frontend publishes"
has "$(cat "$work/dom0.out")" "mydevice-$guest-0 +backend   online +1 -> 0\$" "the old and the new value"
has "$(cat "$work/dom0.out")" "is in domain $guest \\(domU1\\): /local/domain/$guest/device/mydevice/0" "where the frontend is"
has "$(cat "$work/domU.out")" "is in domain 0: /local/domain/0/backend/mydevice/$guest/0" "in the domU: where the backend is"
has "$(cat "$work/dom0.out")" '^status 0$' "--until gone ends it with 0"
ok "the times never go back" awk '$1 ~ /^[0-9.]+$/ { if ($1 < last) exit 1; last = $1; n++ } END { exit n < 10 }' "$work/dom0.out"
is "$(grep -c "$escape" "$work/dom0.out")" 0 "no colour in a pipe"

"$lab" get dom0 /tmp/life.msc /tmp/life.dot "$work"
ok "mscgen and dot draw the charts" drawn "$work/life.msc" "$work/life.dot"
ok "the sequence chart has the handshake in order" in_order "$work/life.msc" 'b0=>f0 .*InitWait' 'f0 rbox f0 .*ring-ref = ' \
	'f0=>b0 .*Initialised' 'b0=>f0 .*Connected' 'f0=>b0 .*Connected' 'b0=>f0 .*Closing' 'f0=>b0 .*Closed' 'b0=>f0 .*Closed' \
	'f0 note f0 .*removed'
has "$(cat "$work/chart.svg")" '^Initialised$' "the drawing has the states"
ok "the diagram has the way through the pairs of states" in_order "$work/life.dot" 'd0_3_4 -> d0_5_4 .*frontend' \
	'd0_5_4 -> d0_5_6 .*backend' 'd0_5_6 -> d0_6_6 .*frontend'

said=$(in_dom0 "/tmp/xbwatch --until Connected -t 60 vif-$guest-0; echo status \$?")
has "$said" "vif-$guest-0 +frontend  state +Connected\$" "a vif that is there: its frontend's state"
has "$said" "vif-$guest-0 +backend   state +Connected\$" "a vif that is there: its backend's state"
has "$said" '^status 0$' "a state that is reached already ends it"
watch vif dom0 --states --until gone --timeout 250 "vif-$guest-1"
in_dom0 "xl network-attach domU1 script=vif-lab bridge=br0 && /tmp/xbwatch -s -u Connected -t 120 vif-$guest-1 &&
	xl network-detach domU1 1" >"$work/attach.log" 2>&1 || echo "# $(cat "$work/attach.log")"
watched vif
has "$said" "vif-$guest-1 +frontend  state .*Connected\$" "a vif that is attached: its frontend is Connected"
has "$said" "vif-$guest-1 +backend   state .*Connected\$" "a vif that is attached: its backend is Connected"
has "$said" "vif-$guest-1 +backend   is removed" "a vif that is detached is gone"
is "$(grep -c 'mac' "$work/vif.out")" 0 "--states shows the states only"

said=$(in_dom0 '/tmp/xbwatch -t 2 -s; echo status $?')
has "$said" "console-$guest-0 +frontend" "all devices: the console"
has "$said" "vif-$guest-0 +frontend" "all devices: the vif"
has "$said" '^status 0$' "--timeout alone ends it with 0"
has "$(in_dom0 "/tmp/xbwatch -t 2 -s $guest")" "console-$guest-0" "the devices of a domain"
is "$(in_dom0 '/tmp/xbwatch -t 2 -s vif' | grep -vc vif-)" 0 "the devices of a type"
is "$(in_dom0 "/tmp/xbwatch -t 2 -s /local/domain/0/backend/vif/$guest/0/state" | grep -c "^ .* vif-$guest-0 .* state ")" 2 \
	"the device of a path"
has "$(in_dom0 '/tmp/xbwatch -t 1 -u Connected none 2>&1; echo status $?')" '^status 75$' "--until that is not reached is 75"
has "$(in_dom0 '/tmp/xbwatch -t 1 none 2>&1')" 'waiting for one' "it says that there is nothing yet"
has "$(in_dom0 '/tmp/xbwatch -t 1 >/dev/full 2>&1; echo status $?')" '^status 74$' "what cannot be written is 74"
has "$(in_dom0 '/tmp/xbwatch --msc=/no/such -t 1 2>&1; echo status $?')" '^status 73$' "a chart that cannot be made is 73"
has "$(in_dom0 'cd /tmp && ./xbwatch --msc=made --dot=/no/such 2>&1; ls made 2>&1')" 'made: No such' "and leaves no other behind"
has "$(in_dom0 '/tmp/xbwatch --msc -t 1 vif 2>/tmp/lines | head -n 1; head -n 1 /tmp/lines')" '^# Made by xbwatch' \
	"a chart on standard output"
has "$(in_dom0 'cat /tmp/lines')" "vif-$guest-0 +frontend" "the lines are on standard error then"
said=$(in_dom0 'cd /tmp && { ./xbwatch --msc=int.msc vif >/dev/null & } && sleep 2 && kill -INT $! && wait $!; echo status $?
	tail -n 1 int.msc')
has "$said" '^status 0$' "SIGINT ends it"
has "$said" '^}$' "SIGINT: the chart is written"
ok "a reader who leaves ends it" in_dom0 '/tmp/xbwatch | head -n 1'
in_dom0 'grep -q ^somebody: /etc/passwd || echo somebody:x:1000:1000::/:/bin/sh >>/etc/passwd'
has "$(in_dom0 'su somebody -c "/tmp/xbwatch -t 1" 2>&1; echo status $?')" '^status 77$' "who is not root may not: 77"

has "$(on_terminal '/tmp/xbwatch -t 1 -s vif')" "state +$escape\\[32mConnected$escape\\[0m" "colour on a terminal"
has "$(on_terminal 'NO_COLOR= /tmp/xbwatch -t 1 -s vif')" "$escape\\[32mConnected" "colour if NO_COLOR is empty"
said=$(on_terminal 'NO_COLOR=1 /tmp/xbwatch -t 1 -s vif')
has "$said" ' state +Connected' "NO_COLOR: the states are there"
is "$(printf '%s' "$said" | grep -c "$escape\\[32m")" 0 "NO_COLOR: without colour"

# -- a guest that writes what it likes --------------------------------------------------

# A device of the guest's own making, whose backend nobody has.
front=/local/domain/$guest/device/evil/0
in_dom0 "xenstore-write $front '' && xenstore-chmod $front n$guest r0 &&
	xenstore-write $front/state 1 $front/backend /local/domain/0/backend/vif/$guest/0"
watch evil dom0 --msc=evil.msc --dot=evil.dot --count 7 --timeout 250 "evil-$guest-0"
in_domU 'cd /tmp; e=$(printf "\033")
	xenstore-write device/evil/0/control "$e[31m$e]0;title$(printf "\a\r\n\t\001")"
	xenstore-write device/evil/0/quotes "a\"];b[label=\"\\\\\\\\"
	xenstore-write device/evil/0/long "$(printf %02000d 0)"
	xenstore-write device/evil/0/empty ""
	xenstore-write device/evil/0/state "4$e[2J"
	xenstore-write device/evil/0/state 99
	xenstore-rm device/evil/0/long'
watched evil
has "$said" 'control +"\\e\[31m\\e\]0;title\\a\\r\\n\\t\\x01"$' "control characters are shown as such"
has "$said" 'quotes +"a"\];b' "quotes"
has "$said" 'long +0{20,}\.\.\.$' "long values are cut off"
has "$said" 'empty +""$' "empty values"
has "$said" '"4\\e\[2J" \(no valid state\)$' "a state that is none"
has "$said" '-> "99" \(no valid state\)$' "a state that is too large"
has "$said" 'long +0+\.\.\. is removed$' "a node is removed"
is "$(LC_ALL=C grep -c '[^ -~]' "$work/evil.out")" 0 "nothing but printable characters is put out"
is "$(awk '$3 == "backend"' "$work/evil.out")" "" "a guest cannot attach its frontend to another device's backend"
"$lab" get dom0 /tmp/evil.msc /tmp/evil.dot "$work"
ok "mscgen and dot draw that, too" drawn "$work/evil.msc" "$work/evil.dot"

watch many dom0 --until gone --timeout 280 "evil-$guest-0"
# A guest has a quota of some hundred nodes, dom0 has none.
ok "1100 nodes are written" in_dom0 "for hundred in \$(seq 10 20); do
	xenstore-write \$(seq \${hundred}00 \${hundred}99 | sed 's,.*,$front/n& &,') || exit; done"
ok "a guest writes one a thousand times" in_domU 'xenstore-write $(seq 1000 | sed "s,.*,device/evil/0/control &,")'
in_dom0 "xenstore-rm $front"
watched many
is "$(grep -cE ' n1[0-9]{3} +1[0-9]{3}$' "$work/many.out")" 1000 "the first thousand of them are shown"
has "$(cat "$work/many.err")" 'more than 1024 nodes: the others are not shown' "and that there are more"
has "$said" 'control .* -> 1000$' "what was known before is shown"
has "$said" '^status 0$' "and it goes on"
is "$(in_dom0 'pidof xbwatch')$(in_domU 'pidof xbwatch')" "" "none is left running"

done_testing
