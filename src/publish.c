/* publish.c - check, put, wait, switch. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "publish.h"

#include <pwd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/utf8.h"
#include "base/zstd.h"
#include "kafka/producer.h"
#include "rules_open.h"

enum { SHELF_READ_MS = 60000, INIT_MS = 60000, COMMIT_MS = 8000, ENTRIES_MAX = 4096, LEVEL = 9 };

struct publication {
	const struct publish_settings *settings;
	const struct rulebook *book;
	const char *digest;
	char by[128];
	struct buf frame; /* the compressed bundle */
	size_t pieces;
	struct shelf_entry known; /* as it is on the topic; digest empty: not there */
	bool is_latest;
	struct producer *producer;
	struct producer_topic *rulesets, *archive;
	int32_t partitions; /* of the archive */
};

static void who(char *out, size_t size, const char *by)
{
	char host[64] = "localhost";
	const struct passwd *user = getpwuid(geteuid());

	(void)gethostname(host, sizeof host - 1); /* the default stands then */
	if (by)
		(void)snprintf(out, size, "%s", by);
	else
		(void)snprintf(out, size, "%.60s@%.60s", user ? user->pw_name : "?", host);
	out[utf8_valid_len(str_of(out))] = '\0'; /* a character that was cut: it goes into JSON */
}

/* What is on the topic of this set, and whether it was published last. */
static int look(struct publication *p, struct err *err)
{
	const struct config *config = p->settings->config;
	OWNED(shelf) *shelf = NULL;
	OWNED_MEM struct shelf_entry *entries = calloc(ENTRIES_MAX, sizeof(struct shelf_entry));
	struct shelf_settings settings = {.kafka = &p->settings->brokers->settings,
					  .group = config->pipeline,
					  .topic = config->output.rulesets};
	int64_t last_ms = 0, own_ms = 0;

	if (!entries)
		return err_set(err, ERR_OS, "out of memory");
	if (shelf_new(&shelf, &settings, err) < 0 || shelf_wait(shelf, SHELF_READ_MS, err) < 0)
		return -1;
	size_t count = shelf_list(shelf, entries, ENTRIES_MAX);
	for (size_t i = 0; i < count; i++) {
		last_ms = MAX(last_ms, entries[i].published_ms);
		if (strcmp(entries[i].digest, p->digest) != 0)
			continue;
		p->known = entries[i];
		own_ms = entries[i].published_ms;
	}
	p->is_latest = own_ms && own_ms == last_ms;
	return 0;
}

static int open_producer(struct publication *p, struct err *err)
{
	const struct config *config = p->settings->config;
	char id[128];
	struct producer_settings settings = {.kafka = &p->settings->brokers->settings,
					     .transactional_id = id};
	int32_t rulesets;

	(void)snprintf(id, sizeof id, "%s-publish", config->pipeline);
	if (producer_new(&p->producer, &settings, err) < 0 ||
	    producer_init(p->producer, INIT_MS, err) < 0 ||
	    producer_need_topic(p->producer, config->output.rulesets, INIT_MS, &rulesets, err) < 0 ||
	    producer_need_topic(p->producer, config->input.topic, INIT_MS, &p->partitions, err) < 0 ||
	    producer_topic(p->producer, config->output.rulesets, &p->rulesets, err) < 0)
		return -1;
	return producer_topic(p->producer, config->input.topic, &p->archive, err);
}

static struct str number(char text[24], int64_t value)
{
	return (struct str){text, (size_t)snprintf(text, 24, "%lld", (long long)value)};
}

static int put_piece(struct publication *p, size_t n, int64_t published_ms, struct err *err)
{
	char key[128], pieces[24], bytes[24], at[24], published[24], first[24];
	struct str frame = buf_str(&p->frame);
	struct str piece = str_from(frame, n * SHELF_PIECE_BYTES);
	struct kafka_header headers[] = {
		{"chatmill.pieces", number(pieces, (int64_t)p->pieces)},
		{"chatmill.bytes", number(bytes, (int64_t)frame.len)},
		{"chatmill.by", str_of(p->by)},
		{"chatmill.at", number(at, p->known.at_ms)},
		{"chatmill.published", number(published, published_ms)},
		{"chatmill.first",
		 number(first, p->known.first_ms ? p->known.first_ms : published_ms)},
	};

	piece.len = MIN(piece.len, (size_t)SHELF_PIECE_BYTES);
	(void)snprintf(key, sizeof key, "%s/%zu", p->digest, n);
	struct outgoing record = {
		.topic = p->rulesets,
		.partition = 0, /* so that pieces stand in order */
		.key = str_of(key),
		.value = piece,
		.headers = headers,
		.header_count = published_ms ? ARRAY_LEN(headers) : ARRAY_LEN(headers) - 2,
	};
	return producer_send(p->producer, &record, err);
}

static int put_pieces(struct publication *p, struct err *err)
{
	if (p->known.complete)
		return 0;
	p->known.at_ms = clock_wall_ms();
	if (producer_begin(p->producer, err) < 0)
		return -1;
	for (size_t n = 0; n < p->pieces; n++)
		if (put_piece(p, n, 0, err) < 0)
			return -1;
	return producer_commit(p->producer, COMMIT_MS, err);
}

static int put_rules_records(struct publication *p, struct err *err)
{
	int64_t now_ms = clock_wall_ms();
	struct buf value = {0};
	int rc = producer_begin(p->producer, err);

	buf_put(&value, STR("{\"ruleset\":"));
	buf_put_json(&value, str_of(p->digest));
	buf_put(&value, STR(",\"by\":"));
	buf_put_json(&value, str_of(p->by));
	buf_printf(&value, ",\"at\":%lld}", (long long)now_ms);
	if (rc == 0)
		rc = put_piece(p, 0, now_ms, err);
	for (int32_t i = 0; i < p->partitions && rc == 0; i++) {
		struct outgoing record = {
			.topic = p->archive, .partition = i, .value = buf_str(&value)};
		rc = producer_send(p->producer, &record, err);
	}
	if (rc == 0)
		rc = producer_commit(p->producer, COMMIT_MS, err);
	buf_fini(&value);
	return rc;
}

static int publish(struct publication *p, struct err *err)
{
	if (look(p, err) < 0)
		return -1;
	if (p->settings->only_new && p->is_latest)
		return PUBLISH_NOT_NEW;
	zstd_compress(&p->frame, ruleset_bundle(p->book->set), LEVEL);
	p->pieces = (p->frame.len + SHELF_PIECE_BYTES - 1) / SHELF_PIECE_BYTES;
	if (open_producer(p, err) < 0 || put_pieces(p, err) < 0)
		return -1;
	log_event(LOG_INFO, "rules_put", LOG_TEXT("digest", p->digest),
		  LOG_NUM("pieces", p->pieces), LOG_NUM("bytes", p->frame.len),
		  LOG_NUM("lead_ms", p->settings->lead_ms));
	clock_sleep_ms(p->settings->lead_ms);
	if (put_rules_records(p, err) < 0)
		return -1;
	log_event(LOG_INFO, "rules_published", LOG_TEXT("digest", p->digest),
		  LOG_TEXT("by", p->by), LOG_NUM("partitions", p->partitions));
	return PUBLISH_DONE;
}

int publish_load(struct rulebook **out, const struct publish_settings *settings, struct err *err)
{
	const struct config *config = settings->config;
	size_t count = config->consent.count;
	OWNED_MEM struct consent_rule *consents =
		calloc(MAX(count, (size_t)1), sizeof(struct consent_rule));
	struct ruleset_inputs in = {settings->dir, config->staff, consents, count};

	if (!consents)
		return err_set(err, ERR_OS, "out of memory");
	for (size_t i = 0; i < count; i++) {
		const char *name = config->consent.items[i].name;
		bool rest = !strcmp(name, "default");
		consents[i].corpid = rest ? (struct str){0} : str_of(name);
		/* No corp can be named like this, so that the default is asked for. */
		consents[i].consent = config_consent(config, rest ? STR("") : str_of(name));
	}
	return rules_open_from(out, &in, settings->cache_dir, err);
}

int publish_rules(const struct publish_settings *settings, char digest[DIGEST_TEXT_SIZE], struct err *err)
{
	OWNED(rulebook) *book = NULL;

	if (publish_load(&book, settings, err) < 0)
		return -1;
	memcpy(digest, book->set->digest, sizeof book->set->digest);
	struct publication p = {.settings = settings, .book = book, .digest = book->set->digest};
	who(p.by, sizeof p.by, settings->by);
	int rc = publish(&p, err);
	producer_free(p.producer);
	buf_fini(&p.frame);
	return rc;
}
