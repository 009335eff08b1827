# SPDX-License-Identifier: GPL-2.0
#
# What concerns the tutorial as a whole. Each stage has targets of its own:
# make -C 03-shared-memory help

lab := common/lab/lab
stages := $(sort $(wildcard 0*-*))
# A command's $ is the shell's in the domain, not make's.
override CMD := $(value CMD)
export ALL DOMUS DOMAIN CMD FILE TO CELLS SLICE REPEAT HOURS SEED EXERCISE HINT

help:
	@echo 'make -C 03-shared-memory load    run the driver; set up everything that it needs'
	@echo 'make check                       run all tests; TESTS="source ring" runs these, LIST=1 lists them'
	@echo 'make check-quick                 check what you changed since the last commit, in less than two'
	@echo '                                 minutes; ALL=1 checks everything: .github/CONTRIBUTING.md'
	@echo 'make check-long                  run them with 1000 reconnects, 8 guests of 16'
	@echo '                                 devices each, and more tests that take hours;'
	@echo '                                 RESUME=1 goes on with a run that was cut off'
	@echo 'make check-debug                 run them on debug kernels, made for it from source:'
	@echo '                                 lockdep, KASAN, KCSAN, kmemleak, failing allocations'
	@echo 'make check-matrix                run the platform-dependent tests on Debian 12 and 13, other'
	@echo '                                 kernels, guests and processors; needs root'
	@echo 'make coverage                    show which lines of the modules the tests execute'
	@echo 'make soak HOURS=8                mix streams, endings and attacks, with a ledger each'
	@echo '                                 minute; stop at the first wrong byte, leak or complaint'
	@echo 'make bench                       measure the device beside other ways between domains'
	@echo 'make tools                       build xbwatch and xbdoctor in .build/tools, to look at'
	@echo '                                 any device, here or elsewhere'
	@echo 'make docs                        make a web site, PDF and EPUB of the posts, in .build/docs'
	@echo 'make docs-refresh                update the code, diffs and transcripts in the pages'
	@echo 'make docs-transcripts            type all transcripts in a fresh lab, and record the output'
	@echo 'make branches                    make a git branch for each post: git diff shows the lesson'
	@echo 'make series                      list the steps to 03-shared-memory; try one of them with'
	@echo '                                 make -C 03-shared-memory load STEP=2; to change them: common/series'
	@echo 'make new NAME=myclock FROM=02-event-channels'
	@echo '                                 make your own driver from that stage, in ../myclock or DIR;'
	@echo '                                 FROM=03-shared-memory STEP=4 starts from that step; PEER=no leaves'
	@echo '                                 the process out; FROM=04-your-own-driver is the driver of post 4'
	@echo 'make grade EXERCISE=2.4          check your answer to an exercise, the 4th of post 2, in the lab;'
	@echo '                                 HINT=1: a hint; EXERCISE=help: list all; EXERCISE=all: check all'
	@echo 'make build                       build the modules of all stages'
	@echo 'make clean                       remove what was built, but not the lab'
	@echo
	@echo 'The lab, a Xen with dom0 and domUs inside QEMU (also: $(lab) help):'
	@echo 'make lab-start                   start it; DOMUS=3 for three guests'
	@echo 'make lab-stop                    stop it'
	@echo 'make lab-status                  show what runs, and on what'
	@echo "make lab-run DOMAIN=dom0 CMD='xl list'"
	@echo '                                 run a command in dom0, domU1, domU2, ...'
	@echo 'make lab-put DOMAIN=domU1 FILE=file TO=directory'
	@echo 'make lab-get DOMAIN=domU1 FILE=file TO=directory'
	@echo '                                 copy a file in or out'
	@echo 'make lab-shell DOMAIN=dom0       open a shell'
	@echo 'make lab-console DOMAIN=dom0     follow what Xen and dom0 print, or the domUs'
	@echo 'make lab-gdb DOMAIN=domU1        debug the module there: source, types, breakpoints'
	@echo 'make lab-reset                   return to the state of a fresh start'
	@echo 'make lab-packages                list the Debian packages in it'
	@echo 'make lab-remove                  remove it from the disk'

check:
	@common/check $(TESTS)

check-quick:
	@common/quick

check-long:
	@CHECK=long common/check

check-debug:
	@common/check debug

check-matrix:
	@common/tests/matrix

coverage:
	@common/tests/coverage/coverage

soak:
	@common/tests/stages/soak

bench:
	@common/bench/bench

tools:
	@$(MAKE) --no-print-directory -C common/tools

docs:
	@docs/tools/build

# The address of the site, where it is published; README.md then links it.
SITE ?=
docs-refresh:
	@SITE='$(SITE)' docs/tools/build refresh

docs-transcripts:
	@$(lab) reset 1
	@docs/tools/play
	@docs/tools/build refresh

branches:
	@common/branches

series:
	@common/series list

new:
	@common/new

grade:
	@common/grade/grade "$$EXERCISE"

build:
	@for stage in $(stages); do $(MAKE) -C $$stage || exit; done

clean:
	@for stage in $(stages); do $(MAKE) -C $$stage clean || exit; done
	@rm -rf .build/tests .build/coverage .build/tools .build/docs .build/docs.work .build/steps

lab-start lab-reset:
	@$(lab) $(@:lab-%=%) $(DOMUS)

lab-stop lab-status lab-packages lab-remove:
	@$(lab) $(@:lab-%=%)

lab-run:
	@$(lab) run "$$DOMAIN" "$$CMD"

lab-put lab-get:
	@$(lab) $(@:lab-%=%) "$$DOMAIN" "$$FILE" "$$TO"

lab-shell lab-console:
	@$(lab) $(@:lab-%=%) "$$DOMAIN"

lab-gdb:
	@common/lab/gdb $(DOMAIN)

# What a stage can do, asked for here.
try load unload activate deactivate status log watch doctor diff:
	@echo "which stage? For example: make -C 03-shared-memory $@" >&2; exit 2

.PHONY: help try load unload activate deactivate status log watch doctor diff check check-quick check-long check-debug check-matrix coverage soak bench tools docs docs-refresh docs-transcripts branches series new grade build clean \
	lab-start lab-reset lab-stop lab-status lab-packages lab-remove lab-run lab-put lab-get lab-shell lab-console lab-gdb
