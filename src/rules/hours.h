/* hours.h - the `hours` and `days` of a rule: is it open, and when has enough open time passed.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A span over midnight belongs to its first day: `hours: 18:00-09:00, days: mon` is open from
 * Monday 18:00 to Tuesday 09:00. Without `hours` the whole local day counts. Pure. Thread: any.
 */
#pragma once

#include "rules/ruleset.h"
#include "rules/zone.h"

/* Is the instant `ms` within `hours` and `days` of the filter? */
bool hours_open(const struct filter *filter, const struct zone *zone, int64_t ms);

/* The instant at which `over_ms` (> 0) of open time have passed since `from_ms`: the due time of
 * a wait. Equals from_ms + over_ms where the filter has neither hours nor days. */
int64_t hours_due_ms(const struct filter *filter, const struct zone *zone, int64_t from_ms,
		     int64_t over_ms);
