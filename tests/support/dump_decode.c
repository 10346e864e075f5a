/* dump_decode.c - prints what decode makes of each line of a file, as one line of JSON. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "decode/decode.h"

#include "base/buf.h"

static const char *const kinds[] = {"chat",     "recall", "switch",  "agree",
                                    "disagree", "clock",  "control", "rules"};
static const char *const roles[] = {"customer", "staff", "robot"};
static const char *const chats[] = {"single", "group", "internal"};

static void put_str(struct buf *b, const char *name, struct str value)
{
	if (value.len == 0)
		return;
	buf_printf(b, ",\"%s\":", name);
	buf_put_json(b, value);
}

static void put_strs(struct buf *b, const char *name, const struct str *items, size_t count)
{
	if (count == 0)
		return;
	buf_printf(b, ",\"%s\":[", name);
	for (size_t i = 0; i < count; i++) {
		if (i)
			buf_putc(b, ',');
		buf_put_json(b, items[i]);
	}
	buf_putc(b, ']');
}

static void put_text(struct buf *b, const struct text *text)
{
	buf_put(b, STR("{\"path\":"));
	buf_put_json(b, text->path);
	put_str(b, "content", text->content);
	if (text->forwarded)
		buf_put(b, STR(",\"forwarded\":true"));
	if (text->own_start)
		buf_printf(b, ",\"own_start\":%u", text->own_start);
	for (uint32_t i = 0; i < text->span_count; i++)
		buf_printf(b, "%s[%u,%u,\"%s\"]%s", i ? "," : ",\"spans\":[", text->spans[i].start,
		           text->spans[i].end,
		           text->spans[i].kind == SPAN_EMOTICON ? "emoticon" : "mention",
		           i + 1 == text->span_count ? "]" : "");
	buf_putc(b, '}');
}

static void put_control(struct buf *b, const struct control *c)
{
	put_strs(b, "add", c->add, c->add_count);
	put_strs(b, "remove", c->remove, c->remove_count);
	put_str(b, "ladder", c->ladder);
	put_str(b, "stage", c->stage);
	if (c->erase)
		buf_put(b, STR(",\"erase\":true"));
}

static void put_message(struct buf *b, const struct message *m)
{
	buf_printf(b, "{\"kind\":\"%s\",\"notes\":%u", kinds[m->kind], m->notes);
	put_str(b, "corpid", m->corpid);
	put_str(b, "msgid", m->msgid);
	buf_printf(b, ",\"seq\":%llu,\"msgtime\":%lld,\"recv\":%lld", (unsigned long long)m->seq,
	           (long long)m->msgtime_ms, (long long)m->recv_ms);
	put_str(b, "msgtype", m->msgtype);
	put_str(b, "from", m->from);
	buf_printf(b, ",\"from_role\":\"%s\",\"chat\":\"%s\"", roles[m->from_role], chats[m->chat]);
	put_strs(b, "tolist", m->tolist, m->tolist_count);
	put_str(b, "roomid", m->roomid);
	put_str(b, "subject", m->subject);
	buf_printf(b, ",\"subject_is_customer\":%s", m->subject_is_customer ? "true" : "false");
	put_strs(b, "userids", m->userids, m->userid_count);
	if (m->only_closing)
		buf_put(b, STR(",\"only_closing\":true"));
	put_str(b, "fileext", m->fileext);
	if (m->amount_fen >= 0)
		buf_printf(b, ",\"amount_fen\":%lld", (long long)m->amount_fen);
	put_str(b, "pre_msgid", m->pre_msgid);
	put_str(b, "agree_userid", m->agree_userid);
	put_str(b, "ruleset", m->ruleset);
	put_str(b, "by", m->by);
	if (m->control)
		put_control(b, m->control);
	buf_put(b, STR(",\"texts\":["));
	for (size_t i = 0; i < m->text_count; i++) {
		if (i)
			buf_putc(b, ',');
		put_text(b, &m->texts[i]);
	}
	buf_put(b, STR("]}"));
}

static void dump(struct decoder *d, const struct directory *directory, const struct record *record,
                 struct arena *arena, int depth)
{
	struct message m;
	struct buf b = {0};
	enum decode_result result = decode(d, directory, record, arena, &m);
	struct record *items;
	size_t count;

	if (result == DECODE_BATCH && depth == 0 &&
	    decode_split(d, record, arena, &items, &count) == DECODE_DONE) {
		for (size_t i = 0; i < count; i++)
			dump(d, directory, &items[i], arena, depth + 1);
		return;
	}
	if (result == DECODE_DONE)
		put_message(&b, &m);
	else
		buf_printf(&b, "{\"error\":\"%s\"}", decode_result_name(result));
	buf_putc(&b, '\n');
	fwrite(b.data, 1, b.len, stdout);
	buf_fini(&b);
}

/* usage: dump_decode [--corp ID] [--staff TEXT] < messages.ndjson
 * Lines have the time 1; `\0`-free, for they are read with getline(). */
int main(int argc, char **argv)
{
	struct decode_settings settings = {0};
	struct arena arena = {0}, kept = {0};
	struct findings findings = {0};
	const struct directory *directory = directory_empty();
	struct err err;
	OWNED(decoder) *d = NULL;
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--corp") == 0)
			settings.corpid = str_of(argv[i + 1]);
		else if (strcmp(argv[i], "--staff") == 0)
			directory = directory_parse(&kept, STR("staff"), str_of(argv[i + 1]),
			                            &findings);
	}
	if (decoder_new(&d, &settings, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return (int)err.kind;
	}
	struct record record = {.time_ms = 1, .partition = -1};
	while ((len = getline(&line, &cap, stdin)) >= 0) {
		if (len > 0 && line[len - 1] == '\n')
			len--;
		char *value = arena_alloc(&arena, (size_t)len + RECORD_PADDING);
		memcpy(value, line, (size_t)len);
		memset(value + len, '9', RECORD_PADDING); /* the worst that may stand there */
		record.value = (struct str){value, (size_t)len};
		record.offset++;
		dump(d, directory, &record, &arena, 0);
		arena_reset(&arena);
	}
	free(line);
	arena_fini(&arena);
	arena_fini(&kept);
	findings_fini(&findings);
	return 0;
}
