/* SPDX-License-Identifier: GPL-2.0 */
/*
 * mydevice: what its frontend and its backend agree on.
 *
 * A mydevice has two ends. The frontend is a module in a guest (a domU), the
 * backend a module in dom0 or in another guest. Each has a directory in
 * XenStore, made by whoever activates the device:
 *
 *   frontend  /local/domain/DOMID/device/mydevice/N
 *   backend   /local/domain/BACKEND-DOMID/backend/mydevice/DOMID/N
 *
 * The activation gives both directories the nodes that every XenBus device has
 * (backend, backend-id, frontend, frontend-id, online, state). Each end then
 * writes to its own directory and reads the other's:
 *
 * Backend, before it goes to InitWait:
 *
 *   versions             The protocol versions it speaks, as decimal numbers
 *                        with commas between them, for example "1".
 *
 * Frontend, in one transaction before it goes to Initialised:
 *
 *   version              The one it chose: the highest that both ends speak.
 *
 * A node that is not listed is ignored.
 *
 * The handshake. Each end writes no state but its own:
 *
 *   frontend                              backend
 *   Initialising: waits                   writes its offer    -> InitWait
 *   sees InitWait: publishes
 *                     -> Initialised
 *                                         sees Initialised: reads, checks
 *                                                             -> Connected
 *   sees Connected    -> Connected
 *
 * The end. Either end goes to Closing, or to Closed at once when its driver
 * leaves. The frontend stops its users, then says Closed; the backend releases
 * what it holds of the frontend's, then says Closed; then the frontend releases
 * the rest. A backend whose node "online" is 1 stays and waits for another
 * connection; one that is not online goes away.
 *
 * Reconnecting. The end that was probed anew opens: a frontend with
 * Initialising, a backend with InitWait. The end that stayed follows: a backend
 * that sees Initialising offers again and goes to InitWait, a frontend that
 * sees InitWait publishes again.
 */
#ifndef MYDEVICE_H
#define MYDEVICE_H

/* The highest protocol version this code speaks, and the list of all. */
#define MYDEVICE_VERSION	1
#define MYDEVICE_VERSIONS	"1"

/* Names of the nodes. */
#define MYDEVICE_NODE_VERSIONS		"versions"
#define MYDEVICE_NODE_VERSION		"version"
#endif /* MYDEVICE_H */
