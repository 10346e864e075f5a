/* directory.c - a table of staff by userid. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/directory.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/utf8.h"

struct entry {
	struct str userid, department;
};

struct directory {
	struct entry *slots; /* open addressing; an empty userid is a free slot */
	size_t mask;	     /* slots - 1, a power of two at least twice the entries */
};

static const struct directory empty;

const struct directory *directory_empty(void)
{
	return &empty;
}

static struct entry *slot(const struct directory *d, struct str userid)
{
	size_t at = (size_t)hash_64(userid) & d->mask;

	while (d->slots[at].userid.len && !str_eq(d->slots[at].userid, userid))
		at = (at + 1) & d->mask;
	return &d->slots[at];
}

int directory_open(const struct directory **out, struct arena *arena, const char *path, struct err *err)
{
	struct findings findings = {0};
	struct str text;

	*out = directory_empty();
	if (!path)
		return 0;
	if (file_read(arena, path, FILE_BYTES_MAX, &text, err) < 0)
		return -1;
	*out = directory_parse(arena, str_of(path), text, &findings);
	size_t errors = findings.errors;
	findings_print(&findings, stderr);
	findings_fini(&findings);
	return errors ? err_set(err, ERR_CONFIG, "%s: %zu errors", path, errors) : 0;
}

bool directory_find(const struct directory *d, struct str userid, struct str *department)
{
	if (!d->slots || userid.len == 0)
		return false;
	const struct entry *found = slot(d, userid);
	if (!found->userid.len)
		return false;
	*department = found->department;
	return true;
}

enum { CUSTOMER_ID_CHARS_MIN = 24 }; /* shorter ones that begin alike are staff (CONTRACT.md) */

enum role directory_role(const struct directory *d, struct str id)
{
	struct str department;

	if (directory_find(d, id, &department))
		return ROLE_STAFF;
	if (id.len < CUSTOMER_ID_CHARS_MIN || (id.data[0] != 'w' && id.data[0] != 'W'))
		return ROLE_STAFF;
	if (utf8_count(id) < CUSTOMER_ID_CHARS_MIN)
		return ROLE_STAFF;
	if (id.data[1] == 'm' || id.data[1] == 'o')
		return ROLE_CUSTOMER;
	return id.data[1] == 'b' ? ROLE_ROBOT : ROLE_STAFF;
}

struct str directory_member(const struct directory *d, struct str department, struct str otherwise)
{
	struct str member = {0};

	for (size_t i = 0; d->slots && i <= d->mask; i++) {
		const struct entry *entry = &d->slots[i];
		/* The first by bytes: the order of slots means nothing. */
		if (entry->userid.len && str_eq(entry->department, department) &&
		    (!member.len || str_cmp(entry->userid, member) < 0))
			member = entry->userid;
	}
	return member.len ? member : otherwise;
}

static struct str trim(struct str s)
{
	while (s.len && strchr(" \t\r", s.data[0]))
		s = str_from(s, 1);
	while (s.len && strchr(" \t\r", s.data[s.len - 1]))
		s.len--;
	return s;
}

/* What spreadsheets and Chinese keyboards write for the comma: the whole line would be one userid. */
static bool has_separator(struct str userid)
{
	static const struct str marks[] = {STR(" "), STR("\t"), STR(";"), STR("，"), STR("；"), STR("、"), STR("　")};

	for (size_t i = 0; i < ARRAY_LEN(marks); i++)
		if (userid.len && memmem(userid.data, userid.len, marks[i].data, marks[i].len))
			return true;
	return false;
}

static void take_line(struct directory *d, struct arena *arena, struct str name, int number,
		      struct str line, struct findings *findings)
{
	const char *comma = memchr(line.data, ',', line.len);
	size_t id_len = comma ? (size_t)(comma - line.data) : line.len;
	struct str userid = trim((struct str){line.data, id_len});
	struct str department = trim(str_from(line, comma ? id_len + 1 : line.len));

	/* The heading that spreadsheets put on top. */
	if (number == 1 && str_eq(userid, STR("userid")))
		return;
	if (has_separator(userid)) {
		findings_add(findings, FINDING_ERROR, name, number, 1,
			     "a line is `userid` or `userid,department`, with an ASCII comma between; no blank, "
			     "tab or other comma stands in a userid");
		return;
	}
	if (userid.len == 0 || userid.len > MSGID_BYTES_MAX ||
	    memchr(department.data ? department.data : "", ',', department.len)) {
		findings_add(findings, FINDING_ERROR, name, number, 1,
			     "a line is `userid` or `userid,department`");
		return;
	}
	struct entry *at = slot(d, userid);
	if (at->userid.len && !str_eq(at->department, department)) {
		findings_add(findings, FINDING_ERROR, name, number, 1,
			     "«%.*s» stands here twice, with two departments", STR_ARG(userid));
		return;
	}
	*at = (struct entry){arena_copy(arena, userid), arena_copy(arena, department)};
}

const struct directory *directory_parse(struct arena *arena, struct str name, struct str text,
					struct findings *findings)
{
	if (!utf8_valid(text)) {
		findings_add(findings, FINDING_ERROR, name, 0, 0, "not UTF-8; save the file as UTF-8");
		return directory_empty();
	}
	if (str_starts(text, STR("\xef\xbb\xbf")))
		text = str_from(text, 3);

	size_t lines = 1, slots = 16;
	for (size_t i = 0; i < text.len; i++)
		lines += text.data[i] == '\n' || text.data[i] == '\r';
	while (slots < lines * 2)
		slots *= 2;
	struct directory *d = ARENA_NEW(arena, struct directory);
	d->slots = ARENA_ARRAY(arena, struct entry, slots);
	d->mask = slots - 1;

	int number = 1;
	for (; text.len; number++) {
		struct str line = trim(str_line(&text));
		if (line.len && line.data[0] != '#')
			take_line(d, arena, name, number, line, findings);
	}
	return d;
}
