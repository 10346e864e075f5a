/* archive.c - packs records with dictionaries learnt from blanked ones. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store/archive.h"

#include <ctype.h>

#include "base/heap.h"
#include "base/log.h"

enum {
	TYPES_MAX = 64, /* WeCom has about 30; further ones go without a dictionary */
	SAMPLES = 1000, /* libzstd advises some hundred times the dictionary's size, in total */
	SAMPLE_BYTES_MAX = 4096,
	DICTIONARY_BYTES = 8192,
	LEVEL = 3, /* 6 saves 2 % and costs twice the time */
};

struct archive {
	struct type {
		char name[64];
		int32_t id; /* 0: no dictionary yet */
		struct zstd_dictionary *dictionary;
		struct buf samples;
		size_t *sizes; /* of SAMPLES */
		unsigned sample_count;
	} types[TYPES_MAX];
	size_t type_count;
	int32_t newest; /* the highest id read from the database */
	struct buf scratch;
};

int archive_new(struct archive **out, struct err *err)
{
	struct archive *a = calloc(1, sizeof *a);
	if (!a)
		return err_set(err, ERR_OS, "archive: out of memory");
	*out = a;
	return 0;
}

static void end_samples(struct type *t)
{
	buf_fini(&t->samples);
	free(t->sizes);
	t->sizes = NULL;
	t->sample_count = 0;
}

void archive_free(struct archive *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->type_count; i++) {
		end_samples(&a->types[i]);
		zstd_dictionary_free(a->types[i].dictionary);
	}
	buf_fini(&a->scratch);
	free(a);
}

/* The type, made if there is room; NULL if there is none. */
static struct type *type_of(struct archive *a, struct str name)
{
	for (size_t i = 0; i < a->type_count; i++)
		if (str_eq(str_of(a->types[i].name), name))
			return &a->types[i];
	if (a->type_count == TYPES_MAX || name.len >= sizeof a->types[0].name ||
	    memchr(name.data, '\0', name.len))
		return NULL;
	struct type *t = &a->types[a->type_count++];
	memcpy(t->name, name.data, name.len);
	t->name[name.len] = '\0';
	return t;
}

int archive_open(struct archive *a, struct pg *pg, struct pg_fault *fault)
{
	struct column newest = {0};
	struct err err;

	column_begin(&newest, COLUMN_I32);
	column_number(&newest, a->newest);
	struct pg_parameter parameter = column_parameter(&newest);
	OWNED(pg_result) *rows = NULL;
	int result = pg_query(pg,
			      "SELECT id, type::text, dictionary FROM chatmill.message_dictionary "
			      "WHERE id > ($1::int4[])[1] ORDER BY id",
			      &parameter, 1, &rows, fault);
	column_fini(&newest);
	if (result < 0)
		return -1;
	for (int r = 0; r < pg_rows(rows); r++) {
		struct type *t = type_of(a, pg_text(rows, r, 1));
		if (!t || t->id)
			continue; /* the oldest of a type is used for new rows; see archive_unpack() */
		if (zstd_dictionary_new(&t->dictionary, pg_text(rows, r, 2), LEVEL, &err) < 0) {
			*fault = (struct pg_fault){ACTION_CONFIG, "XX001", ""};
			(void)snprintf(fault->text, sizeof fault->text,
				       "chatmill.message_dictionary %d: %.300s",
				       (int)pg_i64(rows, r, 0), err.text);
			return -1;
		}
		t->id = (int32_t)pg_i64(rows, r, 0);
		a->newest = MAX(a->newest, t->id);
		end_samples(t);
	}
	return 0;
}

/* Copies `json` with every letter and digit of its values blanked; names of fields stay. */
static void archive_blank(struct buf *out, struct str json)
{
	for (size_t i = 0; i < json.len;) {
		unsigned char c = (unsigned char)json.data[i];
		if (c != '"') {
			buf_putc(out, isdigit(c) ? '0' : (char)c);
			i++;
			continue;
		}
		size_t end = i + 1;
		while (end < json.len && json.data[end] != '"')
			end += json.data[end] == '\\' ? 2 : 1;
		size_t after = end + 1;
		while (after < json.len && isspace((unsigned char)json.data[after]))
			after++;
		bool name = after < json.len && json.data[after] == ':';
		for (; i <= end && i < json.len; i++) {
			c = (unsigned char)json.data[i];
			buf_putc(out, name || c == '"' ? (char)c : isdigit(c) ? '0' : 'x');
		}
	}
}

/* One dictionary for a type, whoever is first: the other one's is read at the next opening. */
static int train(struct archive *a, struct type *t, struct pg *pg, struct pg_fault *fault)
{
	buf_clear(&a->scratch);
	bool learnt = zstd_train(&a->scratch, DICTIONARY_BYTES, buf_str(&t->samples), t->sizes,
				 t->sample_count);
	end_samples(t);
	if (!learnt) {
		t->id = -1; /* nothing to learn: never asked again */
		return 0;
	}
	struct pg_parameter parameters[] = {{25, str_of(t->name)}, {17, buf_str(&a->scratch)}};
	if (pg_query(pg,
		     "INSERT INTO chatmill.message_dictionary (id, type, dictionary) "
		     "SELECT coalesce(max(id), 0) + 1, $1::text, $2::bytea "
		     "FROM chatmill.message_dictionary "
		     "HAVING NOT coalesce(bool_or(type = $1), false) ON CONFLICT DO NOTHING",
		     parameters, ARRAY_LEN(parameters), NULL, fault) < 0)
		return -1;
	log_event(LOG_INFO, "archive_dictionary", LOG_TEXT("type", t->name),
		  LOG_NUM("bytes", a->scratch.len));
	return archive_open(a, pg, fault);
}

int archive_learn(struct archive *a, const struct store_item *items, size_t count, struct pg *pg,
		  struct pg_fault *fault)
{
	for (size_t i = 0; i < count; i++) {
		const struct message *m = items[i].message;
		struct type *t = m ? type_of(a, m->msgtype) : NULL;
		if (!t || t->id || items[i].value.len > SAMPLE_BYTES_MAX)
			continue;
		if (!t->sizes)
			t->sizes = heap_zeroed(SAMPLES, sizeof *t->sizes);
		size_t before = t->samples.len;
		archive_blank(&t->samples, items[i].value);
		t->sizes[t->sample_count++] = t->samples.len - before;
		if (t->sample_count == SAMPLES && train(a, t, pg, fault) < 0)
			return -1;
	}
	return 0;
}

int32_t archive_pack(struct archive *a, const struct store_item *item, struct buf *out)
{
	struct type *t = type_of(a, item->message->msgtype);

	buf_clear(out);
	if (t && t->id > 0) {
		zstd_dictionary_compress(t->dictionary, out, item->value);
		return t->id;
	}
	zstd_compress(out, item->value, LEVEL);
	return 0;
}

int archive_unpack(struct archive *a, struct str raw, int32_t dictionary, struct buf *out,
		   struct err *err)
{
	if (dictionary == 0)
		return zstd_decompress(out, raw, RECORD_BYTES_LIMIT, err);
	for (size_t i = 0; i < a->type_count; i++)
		if (a->types[i].id == dictionary)
			return zstd_dictionary_decompress(a->types[i].dictionary, out, raw,
							  RECORD_BYTES_LIMIT, err);
	return err_set(err, ERR_DATA, "chatmill.message_dictionary lacks number %d", (int)dictionary);
}

struct str archive_conversation(const struct message *m, struct arena *arena)
{
	struct str other = m->tolist_count ? m->tolist[0] : (struct str){"", 0};

	if (m->roomid.len)
		return m->roomid;
	if (other.len == 0 || m->from.len == 0)
		return other.len ? other : m->from;
	bool first = str_cmp(m->from, other) < 0;
	struct str small = first ? m->from : other, great = first ? other : m->from;
	char *text = arena_alloc(arena, small.len + great.len + 1);
	memcpy(text, small.data, small.len);
	text[small.len] = '/';
	memcpy(text + small.len + 1, great.data, great.len);
	return (struct str){text, small.len + great.len + 1};
}

/* PostgreSQL's text holds no NUL; the record does, and is kept as it is. */
struct str archive_text(const struct message *m, struct arena *arena)
{
	static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */
	size_t len = 0, nuls = 0;

	for (size_t i = 0; i < m->text_count; i++) {
		struct str t = m->texts[i].content;
		len += t.len + 1;
		for (size_t k = 0; k < t.len; k++)
			nuls += t.data[k] == '\0';
	}
	char *text = arena_alloc(arena, len + nuls * 2 + 1), *at = text;
	for (size_t i = 0; i < m->text_count; i++) {
		struct str t = m->texts[i].content;
		if (i)
			*at++ = '\n';
		for (size_t k = 0; k < t.len; k++) {
			if (t.data[k]) {
				*at++ = t.data[k];
			} else {
				memcpy(at, replacement, 3);
				at += 3;
			}
		}
	}
	return (struct str){text, (size_t)(at - text)};
}
