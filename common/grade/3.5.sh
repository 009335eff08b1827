# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# The machine code of a weaker barrier.

"$lab" running 2>/dev/null || "$lab" start >/dev/null 2>&1 || stop "the lab starts"
[ -z "${LAB_ARCH-}" ] || [ "$LAB_ARCH" = amd64 ] || stop "the figures are for an amd64: the lab is of another processor"
note "three builds of ${driver}front.o, two of them with another ${driver}.h"
for name in right wmb mb; do
	mkdir "$tmp/$name"
	cp "$dir"/*.[ch] "$tmp/$name"
	rm -f "$tmp/$name"/*.mod.c
	echo "obj-m := ${driver}front.o" >"$tmp/$name/Kbuild"
done
echo 'obj-m := right/ wmb/ mb/' >"$tmp/Kbuild"
sed -i 's/virt_wmb()/barrier()/' "$tmp/wmb/$driver.h"
sed -i 's/virt_mb()/barrier()/' "$tmp/mb/$driver.h"
make -C "$("$lab" headers)" M="$tmp" CONFIG_DEBUG_INFO_BTF_MODULES= "right/${driver}front.o" \
	"wmb/${driver}front.o" "mb/${driver}front.o" >"$tmp/log" 2>&1 || stop "it builds" "$(cat "$tmp/log")"
instructions() { objdump -d --no-show-raw-insn "$tmp/$1/${driver}front.o" | grep -v 'file format'; }
full_barriers() { instructions "$1" | grep -c 'lock addl *\$0x0'; }
instructions right >"$tmp/right.asm"
measured "instructions that change with barrier() for virt_wmb()" "$(instructions wmb | diff "$tmp/right.asm" - | grep -c '^[<>]')"
measured "full barriers that are gone with barrier() for virt_mb()" $(($(full_barriers right) - $(full_barriers mb)))
