/* months.c - asks for the partitions of months that we have not seen. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store/months.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/column.h"

enum {
	MONTHS_AHEAD = 2,
	AHEAD_AGAIN_MS = 5 * 60 * 1000,
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

/* In a transaction of its own: it locks, and must not wait inside the one of a batch. Months that
 * could not be made are asked for again: `known_before` says which were known. */
static int make(struct months *m, struct pg *pg, struct column *wanted, size_t known_before,
		struct pg_fault *fault)
{
	struct pg_parameter parameter = column_parameter(wanted);

	if (wanted->count == 0)
		return 0;
	if (pg_run(pg, "BEGIN; SET LOCAL lock_timeout = '5s'", fault) == 0 &&
	    pg_query(pg, "SELECT chatmill.make_partitions($1::text[]::date[])", &parameter, 1, NULL,
		     fault) == 0 &&
	    pg_run(pg, "COMMIT", fault) == 0)
		return 0;
	m->count = MIN(known_before, m->count);
	return -1;
}

/* Those that the items need. */
static int make_of(struct months *m, struct pg *pg, const struct store_item *items, size_t count,
		   int32_t now, struct pg_fault *fault)
{
	struct column wanted = {0};
	struct buf scratch = {0};
	size_t known_before = m->count;
	int32_t last = -1;

	m->outside = 0;
	column_begin(&wanted, COLUMN_TEXT);
	for (size_t i = 0; i < count; i++) {
		if (!has_month(&items[i]))
			continue;
		int64_t ms = items[i].event ? items[i].event->msgtime_ms : items[i].message->msgtime_ms;
		int32_t month = ms > 0 && ms < INT64_C(4102444800000) ? month_of(ms) : -1;
		/* Outside of these the date is wrong and the default partition right; the function of
		 * the database knows that too. */
		if (month < FIRST_MONTH || month > now + MONTHS_AHEAD)
			m->outside++;
		else if (month != last)
			learn(m, month, &wanted, &scratch);
		last = month;
	}
	int result = make(m, pg, &wanted, known_before, fault);
	column_fini(&wanted);
	buf_fini(&scratch);
	return result;
}

/* Those that will be needed. No row waits for them, so that a reader who holds a lock for long (a
 * backup) does not stop the sink: they are tried again later. */
static int make_ahead(struct months *m, struct pg *pg, int32_t now, struct pg_fault *fault)
{
	struct column wanted = {0};
	struct buf scratch = {0};
	size_t known_before = m->count;

	if (clock_monotonic_ms() < m->ahead_ms)
		return 0;
	column_begin(&wanted, COLUMN_TEXT);
	for (int32_t ahead = 0; ahead <= MONTHS_AHEAD; ahead++)
		learn(m, now + ahead, &wanted, &scratch);
	int result = make(m, pg, &wanted, known_before, fault);
	column_fini(&wanted);
	buf_fini(&scratch);
	if (result == 0 || fault->action != ACTION_RETRY)
		return result;
	log_event(LOG_WARN, "sink_months_later", LOG_TEXT("sqlstate", fault->sqlstate));
	m->ahead_ms = clock_monotonic_ms() + AHEAD_AGAIN_MS;
	return pg_run(pg, "ROLLBACK", fault);
}

int months_make(struct months *m, struct pg *pg, const struct store_item *items, size_t count,
		struct pg_fault *fault)
{
	int32_t now = month_of(clock_wall_ms());

	if (make_of(m, pg, items, count, now, fault) < 0)
		return -1;
	return make_ahead(m, pg, now, fault);
}
