// SPDX-License-Identifier: GPL-2.0
/*
 * xbdoctor: this domain's kernel: which devices and drivers it has, of any type.
 */
#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "doctor.h"

/* -- devices ------------------------------------------------------------------------ */

const char *bus_of(enum xb_end end)
{
	return end == XB_FRONT ? "xen" : "xen-backend";
}

/* "mydevice-0" on the one bus, "mydevice-1-0" on the other. */
void bus_name(const struct patient *patient, const struct side *side, char name[XB_NAME_MAX])
{
	struct xb_dir dir;

	if (side->end == XB_BACK && xb_dir_parse(side->path, &dir, NULL))
		snprintf(name, XB_NAME_MAX, "%s-%u-%u", dir.type, dir.front_domid, dir.number);
	else
		snprintf(name, XB_NAME_MAX, "%s-%u", patient->type, patient->number);
}

/* "mydevice0" at the one end, "mydevice1.0" at the other. */
void node_name(const struct patient *patient, const struct side *side, char name[XB_NAME_MAX])
{
	if (side->end == XB_FRONT)
		snprintf(name, XB_NAME_MAX, "%s%u", patient->type, patient->number);
	else
		snprintf(name, XB_NAME_MAX, "%s%u.%u", patient->type,
			 patient->side[XB_FRONT].domid, patient->number);
}

static void sysfs_path(char path[PATH_MAX], const struct patient *patient,
		       const struct side *side, const char *what)
{
	char name[XB_NAME_MAX];

	bus_name(patient, side, name);
	snprintf(path, PATH_MAX, "/sys/bus/%s/devices/%s/%s", bus_of(side->end), name, what);
}

/* Does this kernel know the device? */
static bool is_registered(const struct patient *patient, const struct side *side)
{
	char path[PATH_MAX];

	sysfs_path(path, patient, side, "");
	return !access(path, F_OK);
}

bool is_bound(const struct patient *patient, const struct side *side)
{
	char name[XB_NAME_MAX];

	return side->domid == doctor.own && driver_of(patient, side, name);
}

/* The last part of what a link names. */
static bool link_to(const char *path, char name[XB_NAME_MAX])
{
	char target[PATH_MAX];
	ssize_t len = readlink(path, target, sizeof(target) - 1);
	const char *slash;

	if (len < 0)
		return false;
	target[len] = '\0';
	slash = strrchr(target, '/');
	snprintf(name, XB_NAME_MAX, "%.60s", slash ? slash + 1 : target);
	return true;
}

bool driver_of(const struct patient *patient, const struct side *side, char name[XB_NAME_MAX])
{
	char path[PATH_MAX];

	sysfs_path(path, patient, side, "driver");
	return link_to(path, name);
}

/* -- drivers -------------------------------------------------------------------------- */

bool any_driver(enum xb_end end, bool (*match)(const char *driver, const void *with),
		const void *with)
{
	char path[PATH_MAX];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/bus/%s/drivers", bus_of(end));
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir)))
		found = entry->d_name[0] != '.' && match(entry->d_name, with);
	if (dir)
		closedir(dir);
	return found;
}

static bool is_driver(enum xb_end end, const char *name)
{
	char path[PATH_MAX];

	if (!name)
		return false;
	snprintf(path, sizeof(path), "/sys/bus/%s/drivers/%s", bus_of(end), name);
	return !access(path, F_OK);
}

/*
 * The module that is installed for a type: depmod has collected what each module says
 * that it serves, "alias xen-backend:vbd xen_blkback".
 */
static bool module_for(enum xb_end end, const char *type, char module[XB_NAME_MAX])
{
	char path[PATH_MAX], line[512], alias[XB_NAME_MAX];
	struct utsname uts;
	bool found = false;
	FILE *file;

	uname(&uts);
	snprintf(path, sizeof(path), "/lib/modules/%s/modules.alias", uts.release);
	snprintf(alias, sizeof(alias), "alias %s:%s ", bus_of(end), type);
	file = fopen(path, "re");
	while (file && !found && fgets(line, sizeof(line), file)) {
		found = !strncmp(line, alias, strlen(alias));
		if (found)
			sscanf(line + strlen(alias), "%63s", module);
	}
	if (file)
		fclose(file);
	return found;
}

/* A loaded module has links to its drivers: /sys/module/xen_netback/drivers/xen-backend:vif. */
static bool driver_in(enum xb_end end, const char *module, char driver[XB_NAME_MAX])
{
	char path[PATH_MAX], bus[32];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/module/%s/drivers", module);
	snprintf(bus, sizeof(bus), "%s:", bus_of(end));
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		found = !strncmp(entry->d_name, bus, strlen(bus));
		if (found)
			snprintf(driver, XB_NAME_MAX, "%.40s", entry->d_name + strlen(bus));
	}
	if (dir)
		closedir(dir);
	return found;
}

struct search {
	const char *type;
	char *driver;
};

/*
 * A driver does not say in sysfs which types it serves. Its name does: XenBus names one that
 * has no name of its own after its first type, and others are called TYPEfront or such.
 */
static bool is_named_after(const char *driver, const void *with)
{
	const struct search *search = with;

	if (!strstr(driver, search->type))
		return false;
	snprintf(search->driver, XB_NAME_MAX, "%.40s", driver);
	return true;
}

/* The driver that is loaded, or built in, for a type. */
bool driver_for(const struct patient *patient, enum xb_end end, char driver[XB_NAME_MAX])
{
	const char *known = patient->kind->driver[end];
	struct search search = { patient->type, driver };
	char module[XB_NAME_MAX];
	struct xb_dir dir;

	if (is_driver(end, known)) {
		snprintf(driver, XB_NAME_MAX, "%s", known);
		return true;
	}
	if (end == XB_BACK && xb_dir_parse(patient->side[end].path, &dir, NULL))
		search.type = dir.type;
	if (is_driver(end, search.type)) {
		snprintf(driver, XB_NAME_MAX, "%s", search.type);
		return true;
	}
	if (module_for(end, search.type, module) && driver_in(end, module, driver))
		return true;
	return any_driver(end, is_named_after, &search);
}

/* The stage's are where they were built; others are installed, or not. */
static void advice_load(const struct patient *patient, enum xb_end end)
{
	const char *lab = doctor.where && !strcmp(doctor.where, "lab") ? "on the lab's host: " : "";
	const char *host = *lab ? "" : " WHERE=host";
	char module[XB_NAME_MAX];

	if (is_ours(patient) && doctor.stage)
		advice_again(doctor.own, "%smake -C %s load%s", lab, doctor.stage, host);
	else if (is_ours(patient))
		advice_again(doctor.own, "insmod %s.ko", patient->kind->module[end]);
	else if (module_for(end, patient->type, module))
		advice_again(doctor.own, "modprobe %s", module);
	else
		remark("no module of /lib/modules/$(uname -r) says that it serves %s:%s: insmod it from where it was built",
		       bus_of(end), patient->type);
}

/* A process serves as well as a module, if it has the files that it needs. */
static void report_files(struct patient *patient, enum xb_end end)
{
	const char *const names[] = { "evtchn", end == XB_FRONT ? "gntalloc" : "gntdev" };
	char path[64];

	for (unsigned int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/dev/xen/%s", names[i]);
		if (!access(path, F_OK))
			continue;
		finding(patient, NOTE, NO_XEN_DEVICE, "a process could not drive the %s either: %s is missing",
			xb_end_name(end), path);
		advice(doctor.own, "modprobe xen-%s", names[i]);
	}
}

static void report_unbound(struct patient *patient, const struct side *side, const char *driver)
{
	char name[XB_NAME_MAX], line[SHOWN];

	bus_name(patient, side, name);
	finding(patient, ERROR, NOT_BOUND, "the driver %s is loaded, but not bound to the %s",
		driver, xb_end_name(side->end));
	if (log_has(name, "failed with error", line))
		remark("its kernel said: %s", line);
	advice_again(doctor.own, "echo %s >/sys/bus/%s/drivers/%s/bind", name, bus_of(side->end),
		     driver);
}

static void check_driver(struct patient *patient, const struct side *side)
{
	char driver[XB_NAME_MAX];

	if (side->domid != doctor.own) {
		doctor.unseen |= FOREIGN_DRIVERS;
	} else if (is_bound(patient, side) || process_drives(side)) {
		return;		/* what it said is in its log */
	} else if (!is_registered(patient, side)) {
		finding(patient, ERROR, NOT_REGISTERED,
			"this kernel has not taken notice of the %s: its nodes were not complete, or its state not 1, when they appeared",
			xb_end_name(side->end));
		advice_activate(patient);
	} else if (driver_for(patient, side->end, driver)) {
		report_unbound(patient, side, driver);
	} else {
		finding(patient, ERROR, NO_DRIVER, "no driver for the %s is loaded here",
			xb_end_name(side->end));
		advice_load(patient, side->end);
		report_files(patient, side->end);
	}
}

/*
 * Is there a driver at the end that has to move? Only then: an end may be played
 * by a program (mydevicepeer, qemu, xenconsoled), and no driver is bound.
 */
bool check_drivers(struct patient *patient)
{
	if (connected(patient))
		return true;
	for (int end = XB_FRONT; end <= XB_BACK; end++)
		if (has_to_move(patient, end))
			check_driver(patient, &patient->side[end]);
	return true;
}

/* -- what a driver takes its device for ------------------------------------------------ */

/* What this kernel's driver takes its own state for. */
static int state_in_kernel(const struct patient *patient, const struct side *side)
{
	char path[PATH_MAX], name[XB_NAME_MAX];

	sysfs_path(path, patient, side, "state");
	return read_text(path, name, sizeof(name)) ? xb_state_by_name(name) : XB_NO_STATE;
}

/*
 * Unbind and bind the driver of an end: it begins again. Never the state itself: what it says
 * would still not be true. Of another domain's driver only the usual name is known.
 */
void advice_bind(const struct patient *patient, const struct side *side)
{
	bool here = side->domid == doctor.own, bound = is_bound(patient, side);
	char name[XB_NAME_MAX], driver[XB_NAME_MAX];
	const char *usual = patient->kind->driver[side->end];

	bus_name(patient, side, name);
	if (here && !bound && process_drives(side))
		remark("end the process that drives the %s, and start it again", xb_end_name(side->end));
	else if (here && bound && driver_of(patient, side, driver))
		advice_again(doctor.own, "cd /sys/bus/%s/drivers/%s; echo %s >unbind; echo %s >bind",
			     bus_of(side->end), driver, name, name);
	else if (here && driver_for(patient, side->end, driver))
		advice_again(doctor.own, "echo %s >/sys/bus/%s/drivers/%s/bind", name,
			     bus_of(side->end), driver);
	else if (!here && usual)
		advice_again(side->domid, "cd /sys/bus/%s/drivers/%s; echo %s >unbind; echo %s >bind",
			     bus_of(side->end), usual, name, name);
}

/*
 * A driver writes its state and never reads it again. So if XenStore has another
 * than the driver, somebody else wrote it, or the driver could not. Only a backend's
 * Closing is for others to write: so a toolstack takes a device away.
 */
bool check_overwritten(struct patient *patient)
{
	for (int end = XB_FRONT; end <= XB_BACK; end++) {
		const struct side *side = &patient->side[end];
		int state;

		if (!is_bound(patient, side) ||
		    (end == XB_BACK && side->state == XenbusStateClosing))
			continue;
		state = state_in_kernel(patient, side);
		if (state < 0 || state == side->state)
			continue;
		finding(patient, ERROR, STATE_OVERWRITTEN,
			"XenStore says that the %s is %s, but its driver went to %s: another wrote that, or the driver could not",
			xb_end_name(end), xb_state_name(side->state), xb_state_name(state));
		advice_bind(patient, side);
	}
	return true;
}

/*
 * The last stage's device nodes count what their connection moves, and that cannot be read
 * without one. A state that could not be written stays what it was.
 */
bool check_alive(struct patient *patient)
{
	char path[PATH_MAX], driver[XB_NAME_MAX], node[XB_NAME_MAX], count[32];

	if (!connected(patient) || !is_ours(patient))
		return true;
	for (int end = XB_FRONT; end <= XB_BACK; end++) {
		const struct side *side = &patient->side[end];

		if (!is_bound(patient, side) || !driver_of(patient, side, driver))
			continue;
		node_name(patient, side, node);
		snprintf(path, sizeof(path), "/sys/class/%s/%s/bytes_sent", driver, node);
		if (access(path, F_OK) || read_text(path, count, sizeof(count)))
			continue;
		finding(patient, ERROR, CONNECTED_DEAD,
			"Connected by its states and dead: the %s's driver has no connection (%s says so)",
			xb_end_name(end), path);
		advice_bind(patient, side);
	}
	return true;
}

/* -- the wrong domain ---------------------------------------------------------------------- */

static bool has_device(enum xb_end end, const char *type)
{
	char path[PATH_MAX];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/bus/%s/devices", bus_of(end));
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir)))
		found = !strncmp(entry->d_name, type, strlen(type)) &&
			entry->d_name[strlen(type)] == '-';
	if (dir)
		closedir(dir);
	return found;
}

/*
 * A frontend's module in dom0, or a backend's in a guest that has a frontend of the type,
 * with no device for it: it was loaded in the wrong domain.
 */
void check_wrong_domain(void)
{
	const struct kind *kind = stage_kind();
	enum xb_end end = doctor.own ? XB_BACK : XB_FRONT;

	if (!is_driver(end, kind->driver[end]) || has_device(end, kind->type) ||
	    (doctor.own && !has_device(XB_FRONT, kind->type)))
		return;
	finding(NULL, WARNING, WRONG_DOMAIN,
		"%s is loaded in this domain, %u, and there is no %s of the type %s here for it",
		kind->driver[end], doctor.own, xb_end_name(end), kind->type);
	advice(doctor.own, "rmmod %s", kind->module[end]);
}
