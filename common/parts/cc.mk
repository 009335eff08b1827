# SPDX-License-Identifier: GPL-2.0
#
# How a Makefile compiles programs for the domains of the lab (common/cc).

ifneq ($(LAB_SUITE)$(LAB_ARCH),)
CC := $(dir $(lastword $(MAKEFILE_LIST)))../cc
endif

# made_for PROGRAM,FILE: rules for eval. FILE says which lab PROGRAM was made for; for another
# lab it is made anew.
define made_for
ifneq ($(LAB_SUITE)$(LAB_ARCH),$(shell cat '$2' 2>/dev/null))
$1: $2
$2:
	@mkdir -p '$(dir $2)' && echo '$(LAB_SUITE)$(LAB_ARCH)' >'$2'
.PHONY: $2
endif
endef
