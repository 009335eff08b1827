/* SPDX-License-Identifier: GPL-2.0 */
/*
 * mydevice: what its frontend and its backend agree on.
 *
 * A mydevice has two ends. The frontend is a module in a guest (a domU), the
 * backend a module in dom0 or in another guest. Each has a directory in
 * XenStore, made when the device is activated:
 *
 *   frontend  /local/domain/DOMID/device/mydevice/N
 *   backend   /local/domain/BACKEND-DOMID/backend/mydevice/DOMID/N
 *
 * XenStore nodes
 * ==============
 *
 * Each end writes in its own directory and reads the other's, and checks what it
 * reads there. Numbers are decimal. An end ignores a node that is not listed: this
 * is how the protocol can grow.
 *
 * Written by the activation (the toolstack), in both directories:
 *
 * backend, backend-id (frontend's) and frontend, frontend-id (backend's)
 *	The other end's directory, and the domain that it is in.
 *
 * state
 *	Values:		enum xenbus_state; the activation writes 1, Initialising
 *	Afterwards the end itself writes it. A toolstack that takes the
 *	device away writes 5, Closing, in the backend's directory.
 *
 * online (backend's)
 *	Values:		1, or 0 when the device is being taken away
 *	With 1 a backend stays when the frontend closes.
 *
 * Written by the backend, before it goes to InitWait:
 *
 * versions
 *	Values:		version numbers with commas between them, such as "1,2"
 *	The protocol versions that it speaks: see enum mydevice_version.
 *
 * feature-NAME
 *	Values:		0 or 1
 *	Default:	0
 *	What it offers beyond its version. No version has a feature yet.
 *
 * Written by the frontend, in one transaction before it goes to Initialised:
 *
 * version
 *	Values:		one of the backend's versions
 *	The one it chose: the highest that both ends speak. A frontend that
 *	speaks none of them writes its own instead, goes to Closing and publishes
 *	nothing else, so that the backend can say why they do not connect.
 *
 * feature-NAME
 *	Values:		0 or 1; 1 only if the backend offers it
 *	Default:	0
 *	What this connection uses.
 *
 * States
 * ======
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
 * Closing. Either end goes to Closing, or directly to Closed when its driver
 * leaves. The frontend stops its users, then says Closed; the backend releases
 * what it holds of the frontend's, then says Closed; then the frontend releases
 * the rest. A backend whose node "online" is 1 stays and waits for another
 * connection; one that is not online goes away.
 *
 * Reconnecting. The end that was probed again begins: a frontend with
 * Initialising, a backend with InitWait. The end that stayed follows: a backend
 * that sees Initialising offers again and goes to InitWait, a frontend that
 * sees InitWait publishes again. A guest that was saved and is restored has new
 * directories, made by another activation, and begins as if probed again.
 * An end whose peer broke the protocol follows it to Closed and no further: it
 * stays there until its driver is bound again, or the device activated again.
 *
 * Errors. An end that cannot go on, or does not accept what it reads, writes
 * the reason to error/DIRECTORY/error in its own domain, as xenbus_dev_fatal()
 * does, and goes to Closing, then to Closed. It gives each reason once, until it is
 * bound again, because a peer can cause one a thousand times a second.
 */
#ifndef MYDEVICE_H
#define MYDEVICE_H

/**
 * enum mydevice_version - the versions of this protocol
 * @MYDEVICE_HELLO: the states of both ends, and no more
 * @MYDEVICE_NEXT_VERSION: the first that does not exist yet
 *
 * Each version includes the ones before it. This code speaks the newest only: a
 * device that lacked what its peer needs would be Connected and useless.
 */
enum mydevice_version {
	MYDEVICE_HELLO = 1,
	MYDEVICE_NEXT_VERSION
};

/* The highest protocol version this code speaks, and the lowest. */
#define MYDEVICE_VERSION	(MYDEVICE_NEXT_VERSION - 1u)
#define MYDEVICE_OLDEST_VERSION	MYDEVICE_VERSION

/* Names of the nodes. */
#define MYDEVICE_NODE_VERSIONS		"versions"
#define MYDEVICE_NODE_VERSION		"version"
#endif /* MYDEVICE_H */
