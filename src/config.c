/* config.c - the table of keys, and reading a file by it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <unistd.h>

#include "base/file.h"
#include "base/yaml.h"
#include "config_keys.h"
#include "model.h"

extern char **environ;

#define AT(field) offsetof(struct config, field)

static const struct key keys[] = {
	{"pipeline", KEY_NAME, "default", 0, 0, false, AT(pipeline),
	 "names the consumer group, the transactional ids, the state topic and the events' source"},
	{"instance", KEY_NAME, NULL, 0, 0, false, AT(instance),
	 "names this host among the members; default: the host name"},
	{"workers", KEY_COUNT, "1", 1, 256, false, AT(workers),
	 "threads of `run`, each with its own partitions; at most as many as partitions"},
	{"kafka", KEY_PROPERTIES, NULL, 0, 0, false, AT(kafka),
	 "properties of librdkafka; bootstrap.servers at least",
	 "bootstrap.servers: \"localhost:9092\""},
	{"input.topic", KEY_NAME, "chat.archive", 0, 0, false, AT(input.topic), "the archive"},
	{"input.corpid", KEY_TEXT, NULL, 0, 0, false, AT(input.corpid),
	 "the corp of records that name none", "ww1"},
	{"input.partitions", KEY_COUNT, "8", 1, 10000, false, AT(input.partitions),
	 "of the archive and of the state topic, for `topics apply`"},
	{"input.replication", KEY_COUNT, "3", 1, 32767, false, AT(input.replication),
	 "copies of each partition, for `topics apply`"},
	{"input.record_bytes_max", KEY_COUNT, "1048576", 1024, 64 * 1024 * 1024, false,
	 AT(input.record_bytes_max), "a larger record is a dead letter `too_big`"},
	{"output.tags", KEY_NAME, "chat.tags", 0, 0, false, AT(output.tags), "topic of tag events"},
	{"output.stages", KEY_NAME, "chat.stages", 0, 0, false, AT(output.stages),
	 "topic of stage events"},
	{"output.alerts", KEY_NAME, "chat.alerts", 0, 0, false, AT(output.alerts),
	 "topic of alert events"},
	{"output.hits", KEY_NAME, NULL, 0, 0, false, AT(output.hits),
	 "topic of hit events; null: none are made"},
	{"output.deadletter", KEY_NAME, "chat.deadletter", 0, 0, false, AT(output.deadletter),
	 "topic of records that cannot be used"},
	{"output.rulesets", KEY_NAME, "chat.rulesets", 0, 0, false, AT(output.rulesets),
	 "topic of published rule sets"},
	{"state.dir", KEY_PATH, "state", 0, 0, false, AT(state.dir),
	 "local folder of slot locks, compiled rules and snapshots of the state"},
	{"state.topic", KEY_NAME, NULL, 0, 0, false, AT(state.topic),
	 "the changelog; default: chatmill.<pipeline>.state"},
	{"state.memory", KEY_DURATION, "7d", 1000, 400 * 86400000LL, false, AT(state.memory_ms),
	 "how long a message that had an effect is remembered, for duplicates and recalls"},
	{"state.idle_days", KEY_COUNT, "400", 1, 36500, false, AT(state.idle_days),
	 "a customer without tag, stage, window or wait is forgotten after so many days"},
	{"state.snapshot_interval", KEY_DURATION, "15m", 0, 86400000, false,
	 AT(state.snapshot_interval_ms),
	 "each partition's state is written to state.dir so often, for quick restarts; 0s: never"},
	{"commit_interval_ms", KEY_COUNT, "100", 1, 5000, false, AT(commit_interval_ms),
	 "a transaction of `run` is committed so often"},
	{"evidence", KEY_EVIDENCE, "masked", 0, 0, false, AT(evidence),
	 "none, masked or full: how much of the text an event quotes"},
	{"postgres", KEY_PROPERTIES, NULL, 0, 0, false, AT(postgres), "keys of libpq",
	 "host: localhost\ndbname: chatmill\nuser: chatmill_sink"},
	{"sink.batch_rows", KEY_COUNT, "5000", 1, 100000, false, AT(sink.batch_rows),
	 "events of one database transaction"},
	{"sink.batch_ms", KEY_COUNT, "200", 1, 60000, false, AT(sink.batch_ms),
	 "a batch is written at least so often"},
	{"sink.archive", KEY_BOOL, "false", 0, 0, false, AT(sink.archive),
	 "also store every message of the archive"},
	{"identity.staff", KEY_PATH, NULL, 0, 0, false, AT(staff),
	 "directory file: `userid` or `userid,department` a line"},
	{"consent", KEY_PROPERTIES, NULL, 0, 0, false, AT(consent),
	 "by corp, or default: ignore, alert_only or drop, for customers who disagreed",
	 "default: ignore"},
	{"http.listen", KEY_TEXT, NULL, 0, 0, false, AT(http_listen),
	 "address of /metrics, /livez, /readyz, /version; null: off", "\"127.0.0.1:9464\""},
};
static_assert(ARRAY_LEN(keys) <= ARRAY_LEN(((struct config *)0)->origins), "room for origins");

struct loader {
	struct config *config;
	struct findings *findings;
	struct str file;
	enum origin origin;
	struct property *properties[ARRAY_LEN(keys)]; /* growing lists of KEY_PROPERTIES */
	size_t property_counts[ARRAY_LEN(keys)];
};

enum { PROPERTIES_MAX = 256 }; /* librdkafka knows about 170 */

static void complain(struct loader *l, const struct yaml_node *at, const char *path,
		     const char *what)
{
	if (l->origin == ORIGIN_FILE)
		findings_add(l->findings, FINDING_ERROR, l->file, at->line, at->col, "%s: %s", path,
			     what);
	else
		findings_add(l->findings, FINDING_ERROR, STR("environment"), 0, 0, "%s: %s", path,
			     what);
}

/* ---- values ---- */

static const char *resolve(struct loader *l, const char *path)
{
	const char *slash = l->config->file ? strrchr(l->config->file, '/') : NULL;

	if (path[0] == '/' || !slash)
		return path;
	return arena_printf(&l->config->arena, "%.*s%s", (int)(slash - l->config->file + 1),
			    l->config->file, path)
		.data;
}

static bool read_duration(struct str text, int64_t *ms)
{
	static const struct {
		struct str unit;
		int64_t ms;
	} units[] = {{STR("ms"), 1},	  {STR("s"), 1000},	 {STR("m"), 60000},
		     {STR("h"), 3600000}, {STR("d"), 86400000}};
	size_t digits = 0;
	int64_t number;

	while (digits < text.len && isdigit((unsigned char)text.data[digits]))
		digits++;
	if (!str_to_i64((struct str){text.data, digits}, &number))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (str_eq(str_from(text, digits), units[i].unit))
			return !__builtin_mul_overflow(number, units[i].ms, ms);
	return false;
}

static bool is_name(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!isalnum((unsigned char)s.data[i]) && !strchr("._-", s.data[i]))
			return false;
	return s.len > 0 && s.len <= 60; /* names are joined with others into ids of 64 bytes */
}

/* Puts `text` into the field of `key`; NULL, or what is wrong with it. */
static const char *put_value(struct loader *l, const struct key *key, struct str text)
{
	void *field = (char *)l->config + key->offset;
	struct str copy = arena_copy(&l->config->arena, text);
	int64_t number;

	switch (key->type) {
	case KEY_NAME:
		if (!is_name(text))
			return "must be 1 to 60 of the characters A-Z a-z 0-9 . _ -";
		*(const char **)field = copy.data;
		return NULL;
	case KEY_TEXT:
		*(const char **)field = copy.data;
		return NULL;
	case KEY_PATH:
		*(const char **)field = resolve(l, copy.data);
		return NULL;
	case KEY_COUNT:
	case KEY_DURATION:
		if (key->type == KEY_COUNT ? !str_to_i64(text, &number)
					   : !read_duration(text, &number))
			return key->type == KEY_COUNT ? "must be a whole number"
						      : "must be a time like 500ms, 30s, 10m, 2h, 7d";
		if (number < key->least || number > key->most)
			return arena_printf(&l->config->arena, "must be from %lld to %lld",
					    (long long)key->least, (long long)key->most)
				.data;
		*(int64_t *)field = number;
		return NULL;
	case KEY_BOOL:
		if (!str_eq(text, STR("true")) && !str_eq(text, STR("false")))
			return "must be true or false";
		*(bool *)field = text.data[0] == 't';
		return NULL;
	case KEY_EVIDENCE: {
		static const char *const modes[] = {"masked", "none", "full"}; /* evidence_mode */
		for (size_t i = 0; i < ARRAY_LEN(modes); i++)
			if (str_eq(text, str_of(modes[i]))) {
				*(enum evidence_mode *)field = (enum evidence_mode)i;
				return NULL;
			}
		return "must be none, masked or full";
	}
	case KEY_PROPERTIES:
		return "must be a map of names and values";
	}
	UNREACHABLE("a key's type that is not in the enum");
}

/* A scalar as it stands, or what {file: …} and {env: …} name. False: told in the findings. */
static bool read_scalar(struct loader *l, const char *path, const struct yaml_node *node,
			struct str *text, bool *secret)
{
	*secret = false;
	if (node->kind == YAML_SCALAR) {
		*text = node->text;
		return true;
	}
	if (node->kind != YAML_MAP || node->count != 1 ||
	    node->pairs[0].value->kind != YAML_SCALAR) {
		complain(l, node, path, "must be one value, {file: PATH} or {env: NAME}");
		return false;
	}
	struct str how = node->pairs[0].key->text;
	const char *name = arena_copy(&l->config->arena, node->pairs[0].value->text).data;
	*secret = true;
	if (str_eq(how, STR("env"))) {
		const char *value = getenv(name);
		*text = str_of(value);
		if (!value)
			complain(l, node, path, "the environment has no variable of that name");
		return value != NULL;
	}
	if (!str_eq(how, STR("file"))) {
		complain(l, node, path, "must be one value, {file: PATH} or {env: NAME}");
		return false;
	}
	struct err err;
	if (file_read(&l->config->arena, resolve(l, name), FILE_BYTES_MAX, text, &err) < 0) {
		complain(l, node, path, err.text);
		return false;
	}
	while (text->len && (text->data[text->len - 1] == '\n' || text->data[text->len - 1] == '\r'))
		text->len--;
	*text = arena_copy(&l->config->arena, *text);
	return true;
}

/* ---- keys ---- */

static bool sounds_secret(struct str name)
{
	static const char *const words[] = {"password", "secret", "jaas", "token", "key.pem",
					    "oauthbearer.config"};
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (memmem(name.data, name.len, words[i], strlen(words[i])))
			return true;
	return false;
}

static void put_property(struct loader *l, size_t row, struct str name, struct str value,
			 bool secret, const struct yaml_node *at)
{
	struct property **list = &l->properties[row];
	size_t *count = &l->property_counts[row];
	size_t i = 0;

	if (!*list)
		*list = ARENA_ARRAY(&l->config->arena, struct property, PROPERTIES_MAX);
	while (i < *count && !str_eq(str_of((*list)[i].name), name))
		i++;
	if (i == PROPERTIES_MAX) {
		complain(l, at, keys[row].path, "has too many entries");
		return;
	}
	*count = MAX(*count, i + 1);
	(*list)[i] = (struct property){
		.name = arena_copy(&l->config->arena, name).data,
		.value = arena_copy(&l->config->arena, value).data,
		.secret = secret || sounds_secret(name),
		.origin = l->origin,
		.line = at ? at->line : 0,
		.col = at ? at->col : 0,
	};
}

static void take_properties(struct loader *l, size_t row, const struct yaml_node *map)
{
	if (map->kind != YAML_MAP) {
		complain(l, map, keys[row].path, "must be a map of names and values");
		return;
	}
	for (size_t i = 0; i < map->count; i++) {
		const struct yaml_node *name = map->pairs[i].key, *value = map->pairs[i].value;
		struct str text;
		bool secret;
		if (read_scalar(l, arena_copy(&l->config->arena, name->text).data, value, &text,
				&secret))
			put_property(l, row, name->text, text, secret, value);
	}
}

static void unknown_key(struct loader *l, const struct yaml_node *at, const char *path)
{
	const char *names[ARRAY_LEN(keys)];

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		names[i] = keys[i].path;
	const char *nearest = str_nearest(str_of(path), names, ARRAY_LEN(keys));
	complain(l, at, path,
		 nearest ? arena_printf(&l->config->arena, "unknown key; did you mean %s?", nearest)
				   .data
			 : "unknown key; `chatmill config show` lists the known ones");
}

static bool is_section(struct str path)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		struct str known = str_of(keys[i].path);
		if (known.len > path.len && str_starts(known, path) && known.data[path.len] == '.')
			return true;
	}
	return false;
}

static void take(struct loader *l, const char *path, const struct yaml_node *node)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		if (strcmp(keys[i].path, path) != 0)
			continue;
		struct str text;
		bool secret;
		l->config->origins[i] = l->origin;
		if (keys[i].type == KEY_PROPERTIES) {
			take_properties(l, i, node);
			return;
		}
		if (yaml_is_null(node)) { /* as if the key were not there, but for keys off by null */
			if (!keys[i].standard)
				*(const char **)((char *)l->config + keys[i].offset) = NULL;
			return;
		}
		if (!read_scalar(l, path, node, &text, &secret))
			return;
		const char *wrong = put_value(l, &keys[i], text);
		if (wrong)
			complain(l, node, path, wrong);
		return;
	}
	if (!is_section(str_of(path))) {
		unknown_key(l, node, path);
		return;
	}
	if (node->kind != YAML_MAP) {
		if (!yaml_is_null(node))
			complain(l, node, path, "must be a map of keys");
		return;
	}
	for (size_t i = 0; i < node->count; i++)
		take(l,
		     arena_printf(&l->config->arena, "%s.%.*s", path,
				  STR_ARG(node->pairs[i].key->text))
			     .data,
		     node->pairs[i].value);
}

/* CHATMILL_INPUT__TOPIC -> input.topic; CHATMILL_KAFKA__BOOTSTRAP_SERVERS -> bootstrap.servers. */
static void take_environment(struct loader *l, const char *name, const char *value)
{
	static const struct str prefix = STR("CHATMILL_");
	struct str rest = str_from(str_of(name), prefix.len);
	struct buf path = {0};

	for (size_t i = 0; i < rest.len; i++) {
		bool twice = rest.data[i] == '_' && i + 1 < rest.len && rest.data[i + 1] == '_';
		buf_putc(&path, twice ? '.' : (char)tolower((unsigned char)rest.data[i]));
		i += twice;
	}
	buf_putc(&path, '\0');
	struct yaml_node node = {.kind = YAML_SCALAR, .quoted = true, .text = str_of(value)};
	bool done = false;
	for (size_t i = 0; i < ARRAY_LEN(keys) && !done; i++) {
		size_t len = strlen(keys[i].path);
		if (keys[i].type != KEY_PROPERTIES || strncmp(path.data, keys[i].path, len) != 0 ||
		    path.data[len] != '.')
			continue;
		char *property = path.data + len + 1;
		for (char *c = property; *c && !strcmp(keys[i].path, "kafka"); c++)
			*c = *c == '_' ? '.' : *c;
		put_property(l, i, str_of(property), str_of(value), false, &node);
		done = true;
	}
	if (!done)
		take(l, arena_copy(&l->config->arena, str_of(path.data)).data, &node);
	buf_fini(&path);
}

/* ---- the whole ---- */

static void take_defaults(struct loader *l)
{
	char host[61] = "";

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (keys[i].standard && put_value(l, &keys[i], str_of(keys[i].standard)))
			UNREACHABLE("a default of our own is wrong");
	if (gethostname(host, sizeof host - 1) < 0 || !is_name(str_of(host)))
		(void)snprintf(host, sizeof host, "localhost");
	l->config->instance = arena_copy(&l->config->arena, str_of(host)).data;
}

static void check_consent(struct loader *l)
{
	for (size_t i = 0; i < l->config->consent.count; i++) {
		const struct property *p = &l->config->consent.items[i];
		struct yaml_node at = {.line = p->line, .col = p->col};
		l->origin = p->origin;
		if (strcmp(p->value, "ignore") != 0 && strcmp(p->value, "alert_only") != 0 &&
		    strcmp(p->value, "drop") != 0)
			complain(l, &at, "consent", "must be ignore, alert_only or drop");
	}
}

static void finish(struct loader *l)
{
	struct config *c = l->config;

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (keys[i].type == KEY_PROPERTIES)
			*(struct properties *)((char *)c + keys[i].offset) =
				(struct properties){l->properties[i], l->property_counts[i]};
	check_consent(l);
	(void)snprintf(c->source, sizeof c->source, "/chatmill/%s", c->pipeline);
	if (c->state.topic)
		(void)snprintf(c->state_topic, sizeof c->state_topic, "%s", c->state.topic);
	else
		(void)snprintf(c->state_topic, sizeof c->state_topic, "chatmill.%s.state",
			       c->pipeline);
}

int config_load_partly(struct config **out, const char *file, struct findings *findings,
		       struct err *err)
{
	OWNED(config) *c = calloc(1, sizeof *c);
	struct yaml_node *root = NULL;
	struct str text;

	if (!c)
		return err_set(err, ERR_OS, "configuration: out of memory");
	struct loader l = {.config = c, .findings = findings, .file = str_of(file)};
	c->file = arena_copy(&c->arena, str_of(file)).data;
	take_defaults(&l);
	if (file_read(&c->arena, file, FILE_BYTES_MAX, &text, err) < 0)
		return -1;
	l.origin = ORIGIN_FILE;
	if (yaml_parse(&c->arena, l.file, text, findings, &root) < 0)
		return err_set(err, ERR_CONFIG, "%s is not readable as YAML", file);
	if (root && root->kind != YAML_MAP)
		complain(&l, root, "configuration", "must be a map of keys");
	for (size_t i = 0; root && root->kind == YAML_MAP && i < root->count; i++)
		take(&l, arena_copy(&c->arena, root->pairs[i].key->text).data,
		     root->pairs[i].value);
	l.origin = ORIGIN_ENVIRONMENT;
	for (char **e = environ; *e; e++) {
		const char *equals = strchr(*e, '=');
		if (!equals || strncmp(*e, "CHATMILL_", 9) != 0 ||
		    !strncmp(*e, "CHATMILL_FAULT=", 15)) /* fault points of tests: base/fault.h */
			continue;
		take_environment(&l,
				 arena_copy(&c->arena, (struct str){*e, (size_t)(equals - *e)}).data,
				 equals + 1);
	}
	finish(&l);
	*out = TAKE(c);
	return 0;
}

int config_load(struct config **out, const char *file, struct findings *findings, struct err *err)
{
	OWNED(config) *c = NULL;
	size_t before = findings->errors;

	if (config_load_partly(&c, file, findings, err) < 0)
		return -1;
	if (findings->errors > before)
		return err_set(err, ERR_CONFIG, "%s: %zu error%s", file, findings->errors - before,
			       findings->errors - before == 1 ? "" : "s");
	*out = TAKE(c);
	return 0;
}

int config_open(struct config **out, const char *file, struct err *err)
{
	struct findings findings = {0};
	int status = config_load(out, file, &findings, err);

	findings_print(&findings, stderr);
	findings_fini(&findings);
	return status;
}

void config_free(struct config *c)
{
	if (!c)
		return;
	struct arena arena = c->arena;
	arena_fini(&arena);
	free(c);
}

enum consent config_consent(const struct config *c, struct str corpid)
{
	const char *value = "ignore";

	for (size_t i = 0; i < c->consent.count; i++)
		if (!strcmp(c->consent.items[i].name, "default"))
			value = c->consent.items[i].value;
	for (size_t i = 0; i < c->consent.count; i++)
		if (str_eq(str_of(c->consent.items[i].name), corpid))
			value = c->consent.items[i].value;
	return !strcmp(value, "drop")	    ? CONSENT_DROP
	       : !strcmp(value, "alert_only") ? CONSENT_ALERT_ONLY
					      : CONSENT_IGNORE;
}

static void show_value(const struct config *c, const struct key *key, FILE *out)
{
	const void *field = (const char *)c + key->offset;
	static const char *const modes[] = {"masked", "none", "full"};

	switch (key->type) {
	case KEY_NAME:
	case KEY_TEXT:
	case KEY_PATH:
		fprintf(out, "%s", *(const char *const *)field ? *(const char *const *)field : "null");
		return;
	case KEY_COUNT:
		fprintf(out, "%lld", (long long)*(const int64_t *)field);
		return;
	case KEY_DURATION:
		fprintf(out, "%lldms", (long long)*(const int64_t *)field);
		return;
	case KEY_BOOL:
		fprintf(out, "%s", *(const bool *)field ? "true" : "false");
		return;
	case KEY_EVIDENCE:
		fprintf(out, "%s", modes[*(const enum evidence_mode *)field]);
		return;
	case KEY_PROPERTIES:
		return;
	}
}

void config_show(const struct config *c, FILE *out)
{
	static const char *const origins[] = {"default", "file", "environment"};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const struct key *key = &keys[i];
		if (key->type == KEY_PROPERTIES) {
			const struct properties *all =
				(const struct properties *)((const char *)c + key->offset);
			for (size_t k = 0; k < all->count; k++)
				fprintf(out, "%s.%s: %s  # %s\n", key->path, all->items[k].name,
					all->items[k].secret ? "***" : all->items[k].value,
					origins[all->items[k].origin]);
			continue;
		}
		fprintf(out, "%s: ", key->path);
		show_value(c, key, out);
		fprintf(out, "  # %s\n", origins[c->origins[i]]);
	}
}

const struct key *config_key(size_t i)
{
	return i < ARRAY_LEN(keys) ? &keys[i] : NULL;
}
