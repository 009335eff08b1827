// SPDX-License-Identifier: GPL-2.0
/*
 * xbdoctor: the two states, and who has to move.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"

/* -- the states ------------------------------------------------------------ */

/**
 * struct step - what comes next in a pair of states
 * @who:	the end that has to move
 * @step:	what it has to do; one of the steps below
 */
struct step {
	enum xb_end who;
	enum {
		NOTHING, PROBE, OFFER, PUBLISH, CONNECT, GO_LIVE, CLOSE, FOLLOW, RECONFIGURE,
		BEGIN_AGAIN,
	} step;
};

/*
 * Who has to do what in each pair of states. The rules are in mydevice.h and are
 * blkfront's and blkback's; the other drivers differ where it is said below.
 *
 * The backend offers first; then the frontend publishes; then the backend connects;
 * then the frontend goes live. A frontend whose backend is Closing or Closed has to
 * go to Closed; a backend follows its frontend to Closing, and then to Closed. An
 * end that stayed in Closed begins again when the other does.
 */
#define F(what)	{ XB_FRONT, what }
#define B(what)	{ XB_BACK, what }

static const struct step steps[6][6] = {
	/* the backend is Initialising, InitWait, Initialised, Connected, Closing, Closed */
	/* the frontend is Initialising: */
	{ B(PROBE), F(PUBLISH), F(PUBLISH), B(FOLLOW), F(CLOSE), B(FOLLOW) },
	/* InitWait, which is no state for a frontend: */
	{ B(OFFER), F(PUBLISH), F(PUBLISH), F(PUBLISH), F(CLOSE), F(CLOSE) },
	/* Initialised: */
	{ B(OFFER), B(CONNECT), B(CONNECT), F(GO_LIVE), F(CLOSE), F(CLOSE) },
	/* Connected: */
	{ B(OFFER), B(CONNECT), B(CONNECT), B(NOTHING), F(CLOSE), F(CLOSE) },
	/* Closing: */
	{ B(CLOSE), B(CLOSE), B(CLOSE), B(CLOSE), F(CLOSE), F(CLOSE) },
	/* Closed: */
	{ B(OFFER), F(FOLLOW), B(CLOSE), B(CLOSE), B(CLOSE), B(BEGIN_AGAIN) },
};

static struct step step_of(const struct patient *patient)
{
	int front = patient->side[XB_FRONT].state, back = patient->side[XB_BACK].state;

	/* Of a device with parts (pci), which come and go: the one asks, the other answers. */
	if (back >= XenbusStateReconfiguring)
		return (struct step)F(RECONFIGURE);
	if (front >= XenbusStateReconfiguring)
		return (struct step)B(RECONFIGURE);
	/* netfront says Connected when others say Initialised; ours then follows. */
	if (is_ours(patient) && front == XenbusStateConnected &&
	    back == XenbusStateInitWait)
		return (struct step)F(FOLLOW);
	return steps[front - XenbusStateInitialising][back - XenbusStateInitialising];
}

bool has_to_move(const struct patient *patient, enum xb_end end)
{
	struct step step = step_of(patient);

	return step.who == end || step.step == BEGIN_AGAIN;
}

/* By step: the section that treats it, and what is to be done. */
static const struct {
	enum finding finding;
	const char *what;
} words[] = {
	[PROBE] = { NEVER_PROBED, "has to be probed, to make its offer and go to InitWait" },
	[OFFER] = { STUCK_INITIALISING, "has to make its offer and go to InitWait" },
	[PUBLISH] = { STUCK_INITWAIT, "has to publish its nodes and go to Initialised" },
	[CONNECT] = { STUCK_INITIALISED, "has to take what is published and go to Connected" },
	[GO_LIVE] = { STUCK_CONNECTED, "has to go to Connected, too" },
	[CLOSE] = { STUCK_CLOSING, "has to end its use of the device and go on to Closed" },
	[FOLLOW] = { STUCK_CLOSED, "has to begin again, as the other end did" },
	[RECONFIGURE] = { STUCK_RECONFIGURING, "has to answer" },
};

/* What the kernel said of the device last, if the end that has to move is here. */
static void last_words(const struct patient *patient, const struct side *side)
{
	char name[XB_NAME_MAX + 2], line[SHOWN];

	bus_name(patient, side, name);
	strcat(name, ": ");
	if (side->domid == doctor.own && log_has(name, " ", line))
		remark("its kernel said last: %s", line);
	else
		advice(side->domid, "dmesg | grep -i %s", patient->kind->module[side->end] ?
		       patient->kind->module[side->end] : patient->type);
}

static void report_stuck(struct patient *patient, const struct step *step)
{
	const struct side *who = &patient->side[step->who];
	char since[40] = "";

	if (doctor.wait)
		snprintf(since, sizeof(since), ", and did not for %u s", doctor.wait);
	finding(patient, ERROR, words[step->step].finding,
		"the frontend is %s, the backend %s: the %s, in domain %u, %s%s",
		xb_state_name(patient->side[XB_FRONT].state),
		xb_state_name(patient->side[XB_BACK].state), xb_end_name(who->end), who->domid,
		words[step->step].what, since);
	last_words(patient, who);
	if (step->step == CLOSE)
		advice_activate(patient);	/* who does not answer may never do so */
}

/*
 * Does the device go on? Its states have been the same for as long as was waited,
 * or have changed all the time.
 */
bool check_progress(struct patient *patient)
{
	struct step step = step_of(patient);

	if (connected(patient))
		return true;
	if (!patient->settled) {
		finding(patient, ERROR, RESTLESS,
			"its states change all the time; just now the frontend is %s, the backend %s",
			xb_state_name(patient->side[XB_FRONT].state),
			xb_state_name(patient->side[XB_BACK].state));
		advice(doctor.own, "xbwatch %s", patient->side[XB_FRONT].path);
	} else if (step.step == BEGIN_AGAIN) {
		finding(patient, ERROR, CLOSED,
			"both ends are Closed: the device has ended, and neither end begins again");
		if (!has_finding(patient, NOT_BOUND) && !has_finding(patient, NO_DRIVER))
			advice_activate(patient);
	} else {
		report_stuck(patient, &step);
	}
	return true;
}
