# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# A backend in a domain of its own.

"$lab" running 2>/dev/null || "$lab" start 2 >/dev/null 2>&1 || stop "the lab starts"
"$lab" domains | grep -qx domU2 || stop "the lab has two guests" "It has one. Type: make lab-reset DOMUS=2"
unset GRADE_LOADED
load BACKEND=domU2
back_domain=domU2
backend=$(in_dom0 'xl domid domU2')
measured "the states" "$(in_dom0 "xenstore-read $front_nodes/state /local/domain/$backend/backend/$driver/$guest/0/state" | paste -sd ' ')"
measured "backend-id is the number of domU2" "$(if [ "$(in_dom0 "xenstore-read $front_nodes/backend-id")" = "$backend" ]; then echo yes; else echo no; fi)"
measured "backend modules in dom0" "$(in_dom0 "grep -c '^${driver}back ' /proc/modules")"
in_front "echo hello, domU2 >$front_file"
measured "a line from domU1 in domU2" "$(in_back "head -n 1 $back_file")"
measured "the number in the name of the device node there" "$(if in_back "test -c $back_file"; then echo 'of domU1'; else echo another; fi)"
