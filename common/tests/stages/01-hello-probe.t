#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A device is loaded, closed in either order and unloaded, and nothing of it is left.

stage=01-hello-probe
. "$(dirname "$0")/../lib/stage.sh"

works() {
	is "$(in_dom0 "xenstore-read /local/domain/$guest/device/mydevice/0/version")" 1 "the frontend published the version"
	is "$(in_dom0 "xenstore-read /local/domain/0/backend/mydevice/$guest/0/versions")" 1 "the backend offered it"
}

test_stage
