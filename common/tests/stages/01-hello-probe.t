#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The life of a device that does nothing but live.

stage=01-hello-probe
. "$(dirname "$0")/../lib/stage.sh"

works() {
	is "$(in_dom0 "xenstore-read /local/domain/$guest/device/mydevice/0/version")" 1 "the frontend published the version"
	is "$(in_dom0 "xenstore-read /local/domain/0/backend/mydevice/$guest/0/versions")" 1 "the backend offered it"
}

test_stage
