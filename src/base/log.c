/* log.c - writes log lines as logfmt or JSON. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdatomic.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

static _Atomic int lowest = LOG_INFO;

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

void log_write(enum log_level level, const char *event, const struct log_field *fields,
	       size_t count)
{
	static const char *const names[] = {"debug", "info", "warn", "error"};
	struct buf line = {0};

	if ((int)level < atomic_load_explicit(&lowest, memory_order_relaxed))
		return;
	bool terminal = isatty(STDERR_FILENO) == 1;
	void (*put)(struct buf *, const char *, const char *) = terminal ? put_logfmt : put_json;

	buf_put(&line, terminal ? STR("time=") : STR("{\"time\":\""));
	buf_put_time(&line, clock_wall_ms());
	if (!terminal)
		buf_putc(&line, '"');
	put(&line, "level", names[level]);
	put(&line, "event", event);
	for (size_t i = 0; i < count; i++) {
		if (fields[i].text) {
			put(&line, fields[i].name, fields[i].text);
			continue;
		}
		buf_printf(&line, terminal ? " %s=%lld" : ",\"%s\":%lld", fields[i].name,
			   (long long)fields[i].number);
	}
	buf_put(&line, terminal ? STR("\n") : STR("}\n"));
	/* A log that cannot be written must not stop the work. */
	ssize_t written = write(STDERR_FILENO, line.data, line.len);
	(void)written;
	buf_fini(&line);
}
