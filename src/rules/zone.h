/* zone.h - a time zone as a table: local day, week, month and minute of any instant.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Read from the system's compiled zones (TZif, RFC 8536) when rules are loaded, never later: the
 * table is part of the rule set, and its bytes travel in the bundle and count in the digest, so
 * that two hosts with different tzdata judge alike. The rule for the far future (the POSIX TZ
 * string at the end of the file) is written out as transitions up to the year 2200; later
 * instants keep the last offset. Leap seconds are not counted, as in POSIX time.
 *
 * Immutable, pure, no clock, no environment (TZ is not looked at). Thread: any.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

struct zone;

/* A moment on the local calendar. Numbers of days, weeks and months only ever grow, so that two
 * instants are in the same day, week or month if and only if these are equal. */
struct zone_time {
	int64_t day;   /* days since 1970-01-01, local */
	int64_t week;  /* weeks that begin on Monday, counted from the one of 1970-01-01 */
	int64_t month; /* year * 12 + month from 0 */
	int weekday;   /* 0 Monday … 6 Sunday */
	int minute;    /* of the day, 0 … 1439 */
};

struct zone_time zone_local(const struct zone *zone, int64_t ms);

/* The first instant after `ms` at which the offset from UTC changes; INT64_MAX if it never does. */
int64_t zone_next_change_ms(const struct zone *zone, int64_t ms);

/* China's time, 8 hours ahead of UTC all year (so since September 1991): the zone of packs that
 * name none. Needs no file. */
const struct zone *zone_china(void);

/* Reads the bytes of a TZif file (version 2 or later). The zone lives in `arena`. Returns NULL if
 * they make no sense. */
const struct zone *zone_parse(struct arena *arena, struct str tzif);

/* Reads the file of the IANA zone `name` ("Europe/Berlin") from the system's tzdata
 * (/usr/share/zoneinfo) into `arena`. ERR_CONFIG when there is no such zone, or no tzdata. */
MUST_CHECK int zone_read_file(struct str *out, struct arena *arena, struct str name,
			      struct err *err);
