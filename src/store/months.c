/* months.c - asks for the partitions of months that we have not seen. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store/months.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/column.h"

enum {
	DAY_MS = 86400000,
	MONTHS_AHEAD = 2,
	FIRST_MONTH = (2010 - 1970) * 12, /* before it WeCom was not; as in make_partitions() */
};

/* Months since 1970 of a time in UTC, by Howard Hinnant's days_from_civil turned round
 * (howardhinnant.github.io/date_algorithms.html). */
static int32_t month_of(int64_t ms)
{
	int64_t z = ms / DAY_MS - (ms % DAY_MS < 0) + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t of_era = z - era * 146097;
	int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	int64_t march = (5 * of_year + 2) / 153;
	int64_t month = march < 10 ? march + 2 : march - 10; /* 0: January */

	return (int32_t)((year + era * 400 + (month <= 1) - 1970) * 12 + month);
}

static bool is_known(const struct months *m, int32_t month)
{
	for (size_t i = m->count; i-- > 0;)
		if (m->known[i] == month)
			return true;
	return false;
}

static void learn(struct months *m, int32_t month, struct column *out, struct buf *scratch)
{
	if (is_known(m, month))
		return;
	if (m->count == MONTHS_MAX)
		m->count = 0;
	m->known[m->count++] = month;
	buf_clear(scratch);
	buf_printf(scratch, "%04d-%02d-01", 1970 + month / 12, month % 12 + 1);
	column_str(out, buf_str(scratch));
}

/* Whether its row goes to one of the tables with a partition for each month. */
static bool has_month(const struct store_item *item)
{
	return item->message || (item->event && (item->event->type == EVENT_TAG ||
						 item->event->type == EVENT_STAGE));
}

int months_make(struct months *m, struct pg *pg, const struct store_item *items, size_t count,
		struct pg_fault *fault)
{
	/* Outside of these the date is wrong and the default partition right; the function of the
	 * database knows that too. */
	int32_t now = month_of(clock_wall_ms()), last = -1;
	struct column wanted = {0};
	struct buf scratch = {0};
	size_t known_before = m->count;

	m->outside = 0;
	column_begin(&wanted, COLUMN_TEXT);
	for (int32_t ahead = 0; ahead <= MONTHS_AHEAD; ahead++)
		learn(m, now + ahead, &wanted, &scratch);
	for (size_t i = 0; i < count; i++) {
		if (!has_month(&items[i]))
			continue;
		int64_t ms = items[i].event ? items[i].event->msgtime_ms : items[i].message->msgtime_ms;
		int32_t month = ms > 0 && ms < INT64_C(4102444800000) ? month_of(ms) : -1;
		if (month < FIRST_MONTH || month > now + MONTHS_AHEAD)
			m->outside++;
		else if (month != last)
			learn(m, month, &wanted, &scratch);
		last = month;
	}
	int result = 0;
	if (wanted.count) {
		struct pg_parameter parameter = column_parameter(&wanted);
		result = pg_run(pg, "BEGIN; SET LOCAL lock_timeout = '5s'", fault);
		if (result == 0)
			result = pg_query(pg, "SELECT chatmill.make_partitions($1::text[]::date[])",
					  &parameter, 1, NULL, fault);
		if (result == 0)
			result = pg_run(pg, "COMMIT", fault);
		if (result < 0)
			m->count = MIN(known_before, m->count);
	}
	column_fini(&wanted);
	buf_fini(&scratch);
	return result;
}
