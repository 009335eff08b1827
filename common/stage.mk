# SPDX-License-Identifier: GPL-2.0
#
# The targets that a stage has inside the tutorial, and a driver of the reader's (common/new)
# with the tutorial. Its own Makefile includes this file if it is there.

common := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))

# What it is called in messages, after make -C: a directory of the tutorial, or a path.
stage := $(if $(filter $(abspath $(common)/..)/,$(dir $(CURDIR))),$(notdir $(CURDIR)),$(CURDIR))
own := $(filter /%,$(stage))

# Where the modules run: in the lab, or on this machine if it is a dom0. A guest
# of a real Xen host looks like any workstation, so there WHERE=host is said.
ifeq ($(origin WHERE),undefined)
WHERE := $(if $(wildcard /proc/xen/capabilities),$(if $(shell grep -s control_d /proc/xen/capabilities),host,lab),lab)
endif
ifeq ($(filter lab host,$(WHERE)),)
$(error WHERE is lab or host, not '$(WHERE)')
endif

# How long a command in a domain may take, in seconds: parts/domains.sh passes it on to each.
ifneq ($(if $(LAB_TIMEOUT),$(shell printf '%s' '$(subst ','\'',$(LAB_TIMEOUT))' | tr -d 0-9)),)
$(error LAB_TIMEOUT is a number of seconds: not '$(LAB_TIMEOUT)')
endif

# What drives each end: the module, or a process.
FRONT ?= kernel
BACK ?= kernel
ifneq ($(filter-out kernel user,$(FRONT) $(BACK)),)
$(error FRONT and BACK are kernel or user, not '$(filter-out kernel user,$(FRONT) $(BACK))')
endif
user := $(findstring user,$(FRONT) $(BACK))
ifneq ($(and $(user),$(if $(wildcard $(driver)peer.c),,none)),)
$(error There is no $(driver)peer.c here: both ends of this driver are modules, FRONT=kernel BACK=kernel)
endif

# STEP=N: one of the commits that led to this stage, instead of the stage. Its files are
# made, and built, in a directory of their own.
ifneq ($(STEP),)
steps := $(shell seq $(words $(wildcard $(common)/../docs/series/$(stage)/*.patch)))
step_targets := load try activate deactivate status watch doctor log trace unload diff
ifeq ($(steps),)
$(error $(stage) has no series of commits, so it has no STEP)
endif
ifneq ($(words $(STEP)) $(filter-out $(steps) help,$(STEP)),1 )
$(error STEP is a number from 1 to $(lastword $(steps)), or help: not '$(STEP)')
endif
ifneq ($(filter-out $(step_targets) built modules help,$(MAKECMDGOALS)),)
$(error STEP is for modules, $(step_targets): not for $(MAKECMDGOALS))
endif
ifneq ($(STEP),help)
step := $(abspath $(common)/../.build/steps/$(STEP))
else ifneq ($(filter modules,$(MAKECMDGOALS)),)
$(error The steps are listed by: make -C $(stage) load STEP=help)
endif
endif

export DOMU BACKEND DEVICE WHERE FRONT BACK VIEW STEP
# A command's $ is the shell's, not make's.
override CMD := $(value CMD)
export CMD
export DRIVER := $(driver)

# The lab's kernel is the one that these headers are for.
ifeq ($(WHERE),lab)
ifeq ($(origin KDIR),undefined)
KDIR = $(eval KDIR := $(shell $(common)/lab/lab headers))$(KDIR)
endif
modules: packages
packages:
	@$(common)/need build
	@$(common)/lab/lab headers >/dev/null
ifneq ($(LAB_ARCH),)
cross := $(shell $(common)/lab/lab cross)
ifneq ($(cross),)
export ARCH := $(firstword $(cross))
export CROSS_COMPILE := $(lastword $(cross))
packages: cross-packages
cross-packages:
	@$(common)/need cross
endif
endif
# All that load needs, asked for at once.
built: all-packages
all-packages:
	@$(common)/need build lab $(user)
$(driver)peer step-peer: | user-packages
user-packages:
	@$(common)/need user
endif

# Older headers would give a page of the compiler's errors. They say what they are for in a file
# that Kbuild wrote.
oldest := 6.1
modules: new-enough
new-enough: $(if $(filter lab,$(WHERE)),packages)
	@headers='$(KDIR)'; release=$$(cat "$$headers/include/config/kernel.release" 2>/dev/null) || exit 0; \
	[ "$$(printf '%s\n' $(oldest) "$$release" | sort -V | head -n 1)" = $(oldest) ] || { \
		echo "$(stage): this is for Linux $(oldest) or later, and $$headers is for $$release" >&2; exit 1; }

include $(common)/parts/cc.mk
$(eval $(call made_for,$(driver)peer,.$(driver)peer.lab))

# Two builds in one directory would write the same files: one waits for the other.
modules: MAKE := flock $(or $(step),$(CURDIR)) $(MAKE)
clean: RM := flock $(CURDIR) $(RM)
$(driver)peer: CC := flock $(CURDIR) $(CC)

ifneq ($(step),)
modules: CURDIR := $(step)
modules: step
step:
	@$(common)/series tree $(STEP)
endif

ifeq ($(STEP),help)
.DEFAULT_GOAL := load
built $(step_targets):
	@$(common)/series list
else
load: built
	@$(common)/stage load $(stage)

# Kbuild takes seconds to see that it has nothing to do. So it is not asked if both modules
# are newer than their sources and than the kernel's configuration, and are for that kernel.
# It is asked if the command line has a variable that is not ours: W=1, or KDIR.
ours := WHERE STEP FRONT BACK DOMU BACKEND DEVICE VIEW CMD
kbuild_words = $(filter-out $(ours:=%),$(MAKEOVERRIDES))$(KCFLAGS)$(KBUILD_EXTRA_WARN)
up_to_date = (cd '$(or $(step),$(CURDIR))' && [ -e $(driver)front.ko ] && [ -e $(driver)back.ko ] && \
	grep -qF "vermagic=$$(sed -n 's/.* UTS_RELEASE "\(.*\)"/\1/p' '$(KDIR)/include/generated/utsrelease.h') " $(driver)front.ko && \
	found=$$(flock . find . '$(KDIR)/include/config/auto.conf' -maxdepth 1 \
		\( -name '*.[ch]' ! -name '*.mod.c' -o -name Kbuild -o -name auto.conf \) \
		\( -newer $(driver)front.ko -o -newer $(driver)back.ko \)) && [ -z "$$found" ])

# On a Xen host modules that were built elsewhere will do.
built: $(if $(step),step) $(if $(user),$(if $(step),step-peer,$(driver)peer))
	@if [ '$(WHERE)' = lab ] || [ -d '$(KDIR)' ]; then \
		$(if $(kbuild_words),,$(up_to_date) ||) $(MAKE) --no-print-directory modules; \
	else \
		$(common)/stage built $(stage); \
	fi

# The process of a step is built as its own Makefile says.
step-peer: step
	@flock $(step) $(MAKE) --no-print-directory -C $(step) STEP= $(driver)peer

unload activate deactivate status watch doctor log try trace: $(if $(step),step)
	@$(common)/stage $@ $(stage)

diff: $(if $(step),step)
	@$(common)/stage diff $(stage)
endif

check:
	@$(if $(own),DRIVER_DIR=$(CURDIR) $(common)/check driver,$(common)/check $(stage))

# Messages that speak of the lab say what to type in the tutorial; here that works, too.
ifneq ($(own),)
lab-%:
	@$(MAKE) --no-print-directory -C $(common)/.. $@
endif

help:
	@echo 'make           build $(driver)front.ko and $(driver)back.ko'
	@echo 'make load      load them and make the device appear; set up what is missing'
ifneq ($(wildcard $(driver)peer.c),)
	@echo '               FRONT=user, BACK=user: $(driver)peer instead of that module'
endif
	@echo 'make try       use the device, and show the commands that do it'
	@echo 'make activate    make the device appear, again if it exists'
	@echo 'make deactivate  remove the device; both leave the modules as they are'
	@echo 'make status    show what is loaded, and the state of each end'
	@echo 'make watch     show the states and nodes of both ends as they change, until ^C'
	@echo 'make doctor    say what is wrong with the device, and what to do about it'
	@echo '               (both first build a tool, and for the lab install the packages for it)'
	@echo 'make trace     show what both modules did while a command ran, on one time line:'
	@echo "               CMD='common/lab/lab run domU ...', or what make try does; VIEW=msc: as a chart"
	@echo 'make log       show what the modules logged in each domain'
	@echo 'make unload    remove all devices, modules and processes of this driver'
	@echo 'make check     test this $(if $(own),driver; DRIVER_PARTS=sources: only its build and style,stage)'
ifeq ($(own),)
	@echo 'make diff      show what this stage adds to the one before it; VIEW=side: side by side'
else
	@echo 'make diff      show what you changed since make new'
endif
	@echo 'make clean     remove what was built'
	@echo
ifneq ($(wildcard $(common)/../docs/series/$(stage)/*.patch),)
	@echo 'STEP=2         a step of the series that led to the stage, in its place: make load STEP=2,'
	@echo '               make try STEP=2, make diff STEP=2, ...; STEP=help lists them'
	@echo
endif
	@echo 'DOMU=domU2     the guest with the frontend (load, activate, deactivate); default domU1'
	@echo 'BACKEND=domU2  the domain with the backend; default dom0. DEVICE=1: another device than 0'
	@echo
	@echo 'WHERE=lab      in the lab: Xen, a dom0 and a domU inside QEMU (the default)'
	@echo 'WHERE=host     on this machine (the default in a dom0): in dom0 the backend,'
	@echo '               make load DOMU=name-or-domid; in a domU the frontend'

.PHONY: load built step step-peer packages cross-packages new-enough all-packages user-packages unload activate deactivate status watch doctor log try trace check diff help
