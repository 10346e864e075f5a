/* mutate.c - changes every byte of every sample, one at a time, and looks what decode does. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "against_jansson.h"

#include "base/utf8.h"

/* usage: mutate FILE…      NDJSON; lines that begin with # are skipped
 *
 * A mutant is decoded between two good records by the same decoder into the same batch. It must
 * be read as jansson reads it or be refused for a fitting reason; the message before it must not
 * change, and the one after it must be what it always is. Run under ASan and UBSan, it shows too
 * that no byte outside the record and its padding is looked at. */

static const char good[] =
	"{\"corpid\":\"w\",\"recv_ts\":1700000000456,\"message\":{\"msgid\":\"good\",\"action\":\"send\","
	"\"from\":\"wmCUSTOMER0000000000000000000001\",\"tolist\":[\"zhangsan\",\"lisi\"],\"roomid\":\"wrR\","
	"\"msgtime\":1700000000123,\"msgtype\":\"mixed\",\"mixed\":{\"item\":[{\"type\":\"text\",\"content\":"
	"\"{\\\"content\\\":\\\"\\u4f60\\u597d[\\u5fae\\u7b11]\\\"}\"}]}}}";

struct counts {
	uint64_t mutants, done, by_result[DECODE_RESULT_COUNT], wrong;
};

static struct decoder *decoder;
static struct arena arena;

static struct record record_of(struct str text)
{
	char *value = malloc(text.len + RECORD_PADDING);
	memcpy(value, text.data, text.len);
	memset(value + text.len, '"', RECORD_PADDING);
	return (struct record){.value = {value, text.len}, .time_ms = 1, .partition = 0};
}

static bool is_good(const struct message *m)
{
	return str_eq(m->msgid, STR("good")) && str_eq(m->corpid, STR("w")) &&
	       str_eq(m->subject, STR("wmCUSTOMER0000000000000000000001")) && m->notes == 0 &&
	       m->tolist_count == 2 && m->userid_count == 2 && str_eq(m->userids[1], STR("lisi")) &&
	       m->msgtime_ms == 1700000000123 && m->text_count == 1 &&
	       str_eq(m->texts[0].content, STR("你好[微笑]")) && m->texts[0].span_count == 1 &&
	       str_eq(m->texts[0].path, STR("mixed.item[0].content.content"));
}

/* What every later stage may assert. */
static const char *broken_promise(const struct message *m)
{
	if (m->msgtime_ms <= 0 || m->recv_ms <= 0)
		return "a time that is not positive";
	if (m->kind != MESSAGE_RULES && m->corpid.len == 0)
		return "no corp";
	if (m->kind != MESSAGE_RULES && m->kind != MESSAGE_CLOCK &&
	    (m->msgid.len == 0 || m->subject.len == 0 || m->subject.len > MSGID_BYTES_MAX))
		return "no msgid or subject";
	for (size_t i = 0; i < m->text_count; i++) {
		const struct text *t = &m->texts[i];
		if (!utf8_valid(t->content) || t->content.len == 0 || t->path.len == 0 ||
		    t->own_start > t->content.len)
			return "a text that is none";
		for (uint32_t k = 0; k < t->span_count; k++)
			if (t->spans[k].start >= t->spans[k].end || t->spans[k].end > t->content.len ||
			    (k && t->spans[k].start < t->spans[k - 1].end))
				return "a span outside its text";
	}
	return NULL;
}

static void try_one(const struct record *neighbour, struct str text, struct counts *c)
{
	struct message before, m, after;
	struct record record = record_of(text);

	arena_reset(&arena);
	enum decode_result first = decode(decoder, directory_empty(), neighbour, &arena, &before);
	enum decode_result result = decode(decoder, directory_empty(), &record, &arena, &m);
	enum decode_result last = decode(decoder, directory_empty(), neighbour, &arena, &after);
	const char *wrong = against_jansson(record.value, result, &m);
	if (!wrong && result == DECODE_DONE)
		wrong = broken_promise(&m);
	if (!wrong && (result == DECODE_BAD_UTF8) != !utf8_valid(text))
		wrong = "bad_utf8 or not";
	if (first != DECODE_DONE || last != DECODE_DONE || !is_good(&before) || !is_good(&after))
		wrong = "a neighbour changed";

	c->mutants++;
	c->by_result[result]++;
	if (wrong && c->wrong++ < 20)
		printf("%s (%s): %.*s\n", wrong, decode_result_name(result), STR_ARG(text));
	free((char *)record.value.data);
}

static void mutate(const struct record *neighbour, struct str line, struct counts *c)
{
	static const char bytes[] = "\"\\{}[]:,09eun-. \n\x01\x7f\xff\xc3\xed";
	char *text = malloc(line.len + 1);

	for (size_t at = 0; at < line.len; at++) {
		for (size_t k = 0; k < sizeof bytes; k++) { /* the NUL at the end too */
			memcpy(text, line.data, line.len);
			text[at] = bytes[k];
			try_one(neighbour, (struct str){text, line.len}, c);
		}
		for (int bit = 0; bit < 8; bit++) {
			memcpy(text, line.data, line.len);
			text[at] ^= (char)(1 << bit);
			try_one(neighbour, (struct str){text, line.len}, c);
		}
		/* One byte fewer, one twice, and the record cut here. */
		memcpy(text, line.data, at);
		memcpy(text + at, line.data + at + 1, line.len - at - 1);
		try_one(neighbour, (struct str){text, line.len - 1}, c);
		memcpy(text + at + 1, line.data + at, line.len - at);
		text[at] = line.data[at];
		try_one(neighbour, (struct str){text, line.len + 1}, c);
		try_one(neighbour, (struct str){line.data, at}, c);
	}
	free(text);
}

int main(int argc, char **argv)
{
	struct decode_settings settings = {.corpid = STR("wwDEFAULT")};
	struct record neighbour = record_of(STR(good));
	struct counts c = {0};
	struct err err;
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;

	if (decoder_new(&decoder, &settings, &err) < 0)
		return (int)err.kind;
	for (int i = 1; i < argc; i++) {
		FILE *f = fopen(argv[i], "r");
		if (!f) {
			perror(argv[i]);
			return 66;
		}
		while ((len = getline(&line, &cap, f)) > 0)
			if (line[0] != '#')
				mutate(&neighbour, (struct str){line, (size_t)len - 1}, &c);
		fclose(f);
	}
	for (int i = 0; i < DECODE_RESULT_COUNT; i++)
		if (c.by_result[i])
			printf("%-15s %10llu\n", decode_result_name((enum decode_result)i),
			       (unsigned long long)c.by_result[i]);
	printf("%llu mutants, %llu wrong\n", (unsigned long long)c.mutants,
	       (unsigned long long)c.wrong);
	free(line);
	free((char *)neighbour.value.data);
	decoder_free(decoder);
	arena_fini(&arena);
	return c.wrong || c.mutants == 0;
}
