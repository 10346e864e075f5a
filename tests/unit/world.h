/* world.h - rules from a text, a pipeline and a shard, for tests of what messages do.
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once

#include <criterion/criterion.h>
#include <unistd.h>

#include "base/buf.h"
#include "pipeline.h"
#include "send/encode.h"

enum { HOUR_MS = 3600000, MINUTE_MS = 60000 };
static const int64_t START_MS = 1700000000000;

static inline struct rulebook *world_rules(const char *yaml)
{
	char folder[] = "/tmp/chatmill-test-XXXXXX";
	struct findings findings = {0};
	struct rulebook *book = NULL;
	struct ruleset *set;
	struct err err = {0};
	char path[64];

	cr_assert(mkdtemp(folder));
	(void)snprintf(path, sizeof path, "%s/rules.yaml", folder);
	FILE *file = fopen(path, "w");
	cr_assert(file);
	fputs(yaml, file);
	fclose(file);
	int status = ruleset_load(&set, folder, NULL, &findings, &err);
	if (status == 0)
		status = rulebook_new(&book, set, NULL, &findings, &err);
	findings_print(&findings, stderr);
	cr_assert_eq(status, 0, "%s", err.text);
	findings_fini(&findings);
	unlink(path);
	rmdir(folder);
	return book;
}

static inline struct pipeline *world_pipeline(const struct rulebook *book, size_t due_events_max)
{
	struct pipeline_settings settings = {.react = {.hits = true},
					     .due_events_max = due_events_max};
	struct pipeline *p;
	struct err err;

	cr_assert_eq(pipeline_new(&p, &settings, &err), 0);
	cr_assert_eq(pipeline_fit(p, book, &err), 0);
	return p;
}

static inline struct shard *world_shard(void)
{
	struct shard_settings settings = {7LL * DAY_MS, 400LL * DAY_MS};
	struct shard *shard;
	struct err err;

	cr_assert_eq(shard_new(&shard, 0, &settings, NULL, &err), 0);
	return shard;
}

/* A record of `json`, which lives in `out` with the padding that decode wants. */
static inline struct record world_record(struct buf *out, const char *json)
{
	buf_clear(out);
	buf_put(out, str_of(json));
	size_t len = out->len;
	memset(buf_room(out, RECORD_PADDING), 0, RECORD_PADDING);
	return (struct record){.value = {out->data, len}, .time_ms = START_MS, .partition = -1};
}
