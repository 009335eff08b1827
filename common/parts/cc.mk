# SPDX-License-Identifier: GPL-2.0
#
# How a Makefile compiles programs for the domains of the lab (common/cc).

ifneq ($(LAB_SUITE)$(LAB_ARCH),)
CC := $(dir $(lastword $(MAKEFILE_LIST)))../cc
endif

# made_for PROGRAM,FILE: rules for eval. FILE says which lab PROGRAM was made for; for another
# lab it is made anew, and the old one goes first: it would be taken for the new one if that cannot
# be made.
define made_for
ifneq ($(LAB_SUITE)$(LAB_ARCH),$(shell cat '$2' 2>/dev/null))
$1: $2
$2:
	@rm -f $1 && mkdir -p '$(dir $2)' && echo '$(LAB_SUITE)$(LAB_ARCH)' >'$2'
.PHONY: $2
endif
endef
