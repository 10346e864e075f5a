/* log.c - writes log lines as logfmt or JSON. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

static _Atomic int lowest = LOG_INFO;
static _Atomic uint64_t lines[LOG_ERROR + 1], repeated;

/* The last lines that said that something is wrong: enough for each of a few workers to have
 * several ills at once. */
static struct recent {
	struct buf line; /* without the time */
	int64_t written_ms;
	uint64_t held; /* not written since */
} recent[16];
static size_t recent_at;
static pthread_mutex_t recent_lock = PTHREAD_MUTEX_INITIALIZER;

void log_set_level(enum log_level level)
{
	lowest = (int)level;
}

static void put_logfmt(struct buf *line, const char *name, const char *text)
{
	struct str value = str_of(text);
	bool plain = value.len > 0;

	for (size_t i = 0; i < value.len && plain; i++)
		plain = value.data[i] > ' ' && value.data[i] != '"' && value.data[i] != '=' &&
			value.data[i] != '\\';
	buf_printf(line, " %s=", name);
	if (plain)
		buf_put(line, value);
	else
		buf_put_json(line, value);
}

static void put_json(struct buf *line, const char *name, const char *text)
{
	buf_printf(line, ",\"%s\":", name);
	buf_put_json(line, str_of(text));
}

/* Whether standard error is the journal's socket, which reads priorities (systemd.exec(5)). */
static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat st;
	char mine[64];

	if (!stream || fstat(STDERR_FILENO, &st) < 0)
		return false;
	(void)snprintf(mine, sizeof mine, "%llu:%llu", (unsigned long long)st.st_dev,
		       (unsigned long long)st.st_ino);
	return !strcmp(mine, stream);
}

/* Whether a line must wait; *held says how many like it did when it need not. */
static bool is_repeat(struct str line, uint64_t *held)
{
	int64_t now_ms = clock_monotonic_ms();
	struct recent *r = NULL;
	bool repeat = false;

	*held = 0;
	pthread_mutex_lock(&recent_lock);
	for (size_t i = 0; i < ARRAY_LEN(recent) && !r; i++)
		if (str_eq(buf_str(&recent[i].line), line))
			r = &recent[i];
	if (r && now_ms - r->written_ms < LOG_REPEAT_MS) {
		r->held++;
		repeat = true;
	} else {
		if (!r) {
			r = &recent[recent_at];
			recent_at = (recent_at + 1) % ARRAY_LEN(recent);
			r->held = 0;
			buf_clear(&r->line);
			buf_put(&r->line, line);
		}
		*held = r->held;
		r->held = 0;
		r->written_ms = now_ms;
	}
	pthread_mutex_unlock(&recent_lock);
	return repeat;
}

static void put_fields(struct buf *line, bool terminal, const struct log_field *fields,
		       size_t count)
{
	void (*put)(struct buf *, const char *, const char *) = terminal ? put_logfmt : put_json;

	for (size_t i = 0; i < count; i++) {
		if (fields[i].text) {
			put(line, fields[i].name, fields[i].text);
			continue;
		}
		buf_printf(line, terminal ? " %s=%lld" : ",\"%s\":%lld", fields[i].name,
			   (long long)fields[i].number);
	}
}

void log_write(enum log_level level, const char *event, const struct log_field *fields,
	       size_t count)
{
	static const char *const names[] = {"debug", "info", "warn", "error"};
	static const char *const priorities[] = {"<7>", "<6>", "<4>", "<3>"};
	struct buf line = {0}, rest = {0};
	uint64_t held = 0;

	if ((int)level < atomic_load_explicit(&lowest, memory_order_relaxed))
		return;
	atomic_fetch_add_explicit(&lines[level], 1, memory_order_relaxed);
	bool terminal = isatty(STDERR_FILENO) == 1;
	void (*put)(struct buf *, const char *, const char *) = terminal ? put_logfmt : put_json;

	put(&rest, "level", names[level]);
	put(&rest, "event", event);
	put_fields(&rest, terminal, fields, count);
	if (level >= LOG_WARN && is_repeat(buf_str(&rest), &held)) {
		atomic_fetch_add_explicit(&repeated, 1, memory_order_relaxed);
		buf_fini(&rest);
		return;
	}
	if (is_journal())
		buf_put(&line, str_of(priorities[level]));
	buf_put(&line, terminal ? STR("time=") : STR("{\"time\":\""));
	buf_put_time(&line, clock_wall_ms());
	if (!terminal)
		buf_putc(&line, '"');
	buf_put(&line, buf_str(&rest));
	if (held)
		put_fields(&line, terminal, &LOG_NUM("repeated", held), 1);
	buf_put(&line, terminal ? STR("\n") : STR("}\n"));
	/* A log that cannot be written must not stop the work. */
	ssize_t written = write(STDERR_FILENO, line.data, line.len);
	(void)written;
	buf_fini(&line);
	buf_fini(&rest);
}

struct log_counts log_counts(void)
{
	struct log_counts counts = {.repeated = atomic_load(&repeated)};

	for (size_t i = 0; i < ARRAY_LEN(counts.lines); i++)
		counts.lines[i] = atomic_load(&lines[i]);
	return counts;
}
