// SPDX-License-Identifier: GPL-2.0
/*
 * xbdoctor: what to type, where several findings want the same.
 *
 * A command works where it is printed for: make's targets if the program was started
 * by make, which says so, and otherwise what every domain has, or the toolstack's own for
 * the devices that it makes.
 */
#include <string.h>

#include "doctor.h"

/* "make -C 03-shared-memory activate ...", with the words that are not the default. */
static void advice_make(const struct patient *patient, const char *target, unsigned int back)
{
	unsigned int guest = patient->side[XB_FRONT].domid;
	bool lab = !strcmp(doctor.where ? doctor.where : "host", "lab");
	char name[XB_NAME_MAX], words[96] = "";
	size_t len = 0;

	xb_domain_name(doctor.xs, guest, name);
	if (!lab || (name[0] && strcmp(name, "domU1")))
		len += snprintf(words + len, sizeof(words) - len, " DOMU=%u", guest);
	if (patient->number)
		len += snprintf(words + len, sizeof(words) - len, " DEVICE=%u", patient->number);
	if (back)
		snprintf(words + len, sizeof(words) - len, " BACKEND=%u", back);
	if (lab)
		advice_again(doctor.own, "on the lab's host: make -C %s %s%s", doctor.stage, target,
			     words);
	else
		advice_again(0, "make -C %s %s WHERE=host%s", doctor.stage, target, words);
}

/* The same as activate.sh, in commands that every dom0 has. */
static void advice_by_hand(const struct patient *patient, unsigned int back)
{
	const struct side *front = &patient->side[XB_FRONT], *old = &patient->side[XB_BACK];
	char path[XB_PATH_MAX];
	struct xb_dir dir;

	xb_dir_parse(old->path, &dir, NULL);
	dir.domid = back;
	xb_dir_path(&dir, path);
	if (!old->error)
		advice_again(0, "xenstore-write %s/online 0 %s/state 5; sleep 5; xenstore-rm -t %s",
			     old->path, old->path, old->path);
	if (!front->error)
		advice_again(0, "xenstore-rm -t %s; sleep 2", front->path);
	advice_again(0, "F=%s B=%s", front->path, path);
	advice_again(0, "xenstore-write $F \"\" $B \"\"; xenstore-chmod $F n%u r%u; xenstore-chmod $B n%u r%u",
		     front->domid, back, back, front->domid);
	advice_again(0, "xenstore-write $F/backend $B $F/backend-id %u $F/state 1 $B/frontend $F $B/frontend-id %u $B/online 1 $B/state 1",
		     back, front->domid);
}

/* make load drives both ends, and makes the device with number 0. */
static void advice_load(const struct patient *patient, unsigned int back)
{
	struct patient first = *patient;

	first.number = 0;
	advice_make(&first, "load", back);
	if (patient->number)
		advice_make(patient, "activate", back);
}

/*
 * How a device is taken away and made again. It gets a backend in the domain that had
 * it, or if that is gone in dom0, where there may be no driver for it.
 */
void advice_activate(const struct patient *patient)
{
	unsigned int guest = patient->side[XB_FRONT].domid;
	unsigned int back = patient->side[XB_BACK].domid;
	bool gone = is_gone(back);
	const char *xl = patient->kind->xl;

	if (gone)
		back = 0;
	if (gone && is_ours(patient) && !doctor.stage)
		remark("load %s in domain 0, if it is not there; then:", patient->kind->module[XB_BACK]);
	if (is_ours(patient) && doctor.stage) {
		if (gone)
			advice_load(patient, back);
		else
			advice_make(patient, "activate", back);
	} else if (xl) {
		advice_again(0, "xl %s-detach %u %u; then xl %s-attach %u and its options", xl,
			     guest, patient->number, xl, guest);
	} else {
		if (!is_ours(patient))
			remark("with the toolstack that made the device; or, if it was made by hand:");
		advice_by_hand(patient, back);
	}
}

void advice_drive(const struct patient *patient, const struct side *side)
{
	char driver[XB_NAME_MAX];

	if (!is_ours(patient) || driver_for(patient, side->end, driver)) {
		advice_activate(patient);
	} else if (doctor.stage) {
		advice_load(patient, patient->side[XB_BACK].domid);
	} else {
		remark("start the process again, or load %s; then:", patient->kind->module[side->end]);
		advice_activate(patient);
	}
}

/* A kernel reads what a device's nodes say of the other end before probe, and then no more. */
void advice_probe(const struct patient *patient)
{
	if (!connected(patient))
		advice_activate(patient);
}

/* The owner can do that, too; but who that is may be what is wrong. */
void advice_chmod(const struct patient *patient, const struct side *side)
{
	advice(0, "xenstore-chmod -r %s n%u r%u", side->path, side->domid,
	       patient->side[xb_other(side->end)].domid);
}

void advice_first(const char *type)
{
	if (!doctor.stage)
		advice(0, "./activate.sh 1     (in a stage's directory, with the guest's number: the device %s)",
		       type);
	else if (doctor.where && !strcmp(doctor.where, "lab"))
		advice(doctor.own, "on the lab's host: make -C %s load", doctor.stage);
	else
		advice(0, "make -C %s load WHERE=host DOMU=name-or-domid", doctor.stage);
}

/* This domain has to start again. */
void advice_reset(void)
{
	if (doctor.where && !strcmp(doctor.where, "lab"))
		advice(doctor.own, "on the lab's host: make lab-reset");
	else if (doctor.own == 0)
		advice(0, "reboot");
	else
		advice(0, "xl destroy %u; then xl create and its configuration", doctor.own);
}
