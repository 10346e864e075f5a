/* config.c - reads a file and the environment by the table of keys. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <unistd.h>

#include "base/file.h"
#include "base/yaml.h"
#include "config_keys.h"
#include "config_values.h"
#include "kafka/settings.h"
#include "model.h"

extern char **environ;

struct loader {
	struct config *config;
	struct findings *findings;
	enum origin origin;
	struct property *properties[CONFIG_KEYS_MAX]; /* growing lists of KEY_PROPERTIES */
	size_t property_counts[CONFIG_KEYS_MAX];
};

enum { PROPERTIES_MAX = 256 }; /* librdkafka knows about 170 */

void config_complain(const struct config *c, struct findings *findings, enum finding_level level,
		     const struct given *at, const char *what)
{
	findings_add(findings, level,
		     at->origin == ORIGIN_ENVIRONMENT ? STR("environment") : str_of(c->file),
		     at->line, at->col, "%s", what);
}

/* Where the value of a node is given: what comes from the environment has no line. */
static struct given given_by(const struct loader *l, const struct yaml_node *node, bool secret)
{
	return (struct given){l->origin, secret, node->line, node->col};
}

static void complain(struct loader *l, const struct yaml_node *at, const char *path,
		     const char *what)
{
	struct given given = given_by(l, at, false);

	config_complain(l->config, l->findings, FINDING_ERROR, &given,
			arena_printf(&l->config->arena, "%s: %s", path, what).data);
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
	if (file_read(&l->config->arena, config_resolve(l->config, name), FILE_BYTES_MAX, text, &err) < 0) {
		complain(l, node, path, err.text);
		l->config->denied += err.kind == ERR_PERMISSION;
		return false;
	}
	while (text->len && (text->data[text->len - 1] == '\n' || text->data[text->len - 1] == '\r'))
		text->len--;
	if (text->len && memchr(text->data, '\0', text->len)) {
		complain(l, node, path, "the file holds a zero byte");
		return false;
	}
	*text = arena_copy(&l->config->arena, *text);
	return true;
}

/* ---- keys ---- */

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
		complain(l, at, config_key(row)->path, "has too many entries");
		return;
	}
	*count = MAX(*count, i + 1);
	struct str copy = arena_copy(&l->config->arena, name);
	(*list)[i] = (struct property){
		.name = copy.data,
		.value = arena_copy(&l->config->arena, value).data,
		.given = given_by(l, at, secret || kafka_property_is_secret(copy.data)),
	};
}

static void take_properties(struct loader *l, size_t row, const struct yaml_node *map)
{
	if (map->kind != YAML_MAP) {
		complain(l, map, config_key(row)->path, "must be a map of names and values");
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
	const char *names[CONFIG_KEYS_MAX];
	size_t count = 0;

	for (; config_key(count); count++)
		names[count] = config_key(count)->path;
	const char *nearest = str_nearest(str_of(path), names, count);
	complain(l, at, path,
		 nearest ? arena_printf(&l->config->arena, "unknown key; did you mean %s?", nearest)
				   .data
			 : "unknown key; `chatmill config show` lists the known ones");
}

static bool is_section(struct str path)
{
	for (size_t i = 0; config_key(i); i++) {
		struct str known = str_of(config_key(i)->path);
		if (known.len > path.len && str_starts(known, path) && known.data[path.len] == '.')
			return true;
	}
	return false;
}

static void take(struct loader *l, const char *path, const struct yaml_node *node)
{
	for (size_t i = 0; config_key(i); i++) {
		if (strcmp(config_key(i)->path, path) != 0)
			continue;
		struct str text;
		bool secret;
		l->config->given[i] = given_by(l, node, false);
		if (config_key(i)->type == KEY_PROPERTIES) {
			take_properties(l, i, node);
			return;
		}
		if (yaml_is_null(node)) { /* as if the key were not there, but for keys off by null */
			if (!config_key(i)->standard)
				*(const char **)((char *)l->config + config_key(i)->offset) = NULL;
			return;
		}
		if (!read_scalar(l, path, node, &text, &secret))
			return;
		l->config->given[i].secret = secret;
		const char *wrong = config_put_value(l->config, config_key(i), text);
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

/* {file: …} and {env: …} mean in a variable what they mean in the file; NULL for any other text. */
static const struct yaml_node *read_reference(struct loader *l, struct str value)
{
	static const struct yaml_node nothing = {.kind = YAML_MAP}; /* read_scalar() says what it must be */
	struct findings ignored = {0};			      /* they quote the value */
	struct yaml_node *node = NULL;

	if ((!str_starts(value, STR("{file:")) && !str_starts(value, STR("{env:"))) ||
	    !str_ends(value, STR("}")))
		return NULL;
	bool parsed = yaml_parse(&l->config->arena, STR(""), value, &ignored, &node) == 0;
	findings_fini(&ignored);
	if (!parsed || !node || node->kind != YAML_MAP)
		return &nothing;
	node->line = node->col = 0; /* a variable has no lines */
	return node;
}

/* CHATMILL_INPUT__TOPIC -> input.topic; CHATMILL_KAFKA__BOOTSTRAP_SERVERS -> bootstrap.servers;
 * CHATMILL_CONSENT__wwCorp -> consent.wwCorp. */
static void take_environment(struct loader *l, const char *name, const char *value)
{
	static const struct str prefix = STR("CHATMILL_");
	struct str rest = str_from(str_of(name), prefix.len);
	struct buf path = {0}, spelled = {0};

	for (size_t i = 0; i < rest.len; i++) {
		bool twice = rest.data[i] == '_' && i + 1 < rest.len && rest.data[i + 1] == '_';
		buf_putc(&path, twice ? '.' : (char)tolower((unsigned char)rest.data[i]));
		buf_putc(&spelled, rest.data[i]);
		i += twice;
	}
	buf_putc(&path, '\0');
	buf_putc(&spelled, '\0');
	/* A text whatever it looks like, but for the word that switches off. */
	struct yaml_node text = {.kind = YAML_SCALAR, .quoted = strcmp(value, "null") != 0, .text = str_of(value)};
	const struct yaml_node *reference = read_reference(l, text.text);
	const struct yaml_node *node = reference ? reference : &text;
	bool done = false;
	for (size_t i = 0; config_key(i) && !done; i++) {
		size_t len = strlen(config_key(i)->path);
		if (config_key(i)->type != KEY_PROPERTIES || strncmp(path.data, config_key(i)->path, len) != 0 ||
		    path.data[len] != '.')
			continue;
		/* Properties are lower case, Kafka's with dots; the id of a corp stays as it is spelled. */
		bool kafka = !strcmp(config_key(i)->path, "kafka");
		char *property = path.data + len + 1;
		if (!strcmp(config_key(i)->path, "consent") && strcmp(property, "default") != 0)
			property = spelled.data + len + 1;
		for (char *c = property; *c && kafka; c++)
			*c = *c == '_' ? '.' : *c;
		struct str got;
		bool secret;
		if (read_scalar(l, property, node, &got, &secret))
			put_property(l, i, str_of(property), got, secret, node);
		done = true;
	}
	if (!done)
		take(l, arena_copy(&l->config->arena, str_of(path.data)).data, node);
	buf_fini(&path);
	buf_fini(&spelled);
}

/* ---- the whole ---- */

static void take_defaults(struct loader *l)
{
	char host[61] = "";

	for (size_t i = 0; config_key(i); i++) {
		const struct key *key = config_key(i);
		if (key->standard && config_put_value(l->config, key, str_of(key->standard)))
			UNREACHABLE("a default of our own is wrong");
	}
	if (gethostname(host, sizeof host - 1) < 0 || !config_is_name(str_of(host)))
		(void)snprintf(host, sizeof host, "localhost");
	l->config->instance = arena_copy(&l->config->arena, str_of(host)).data;
}

static void finish(struct loader *l)
{
	struct config *c = l->config;

	for (size_t i = 0; config_key(i); i++)
		if (config_key(i)->type == KEY_PROPERTIES)
			*(struct properties *)((char *)c + config_key(i)->offset) =
				(struct properties){l->properties[i], l->property_counts[i]};
	(void)snprintf(c->source, sizeof c->source, "/chatmill/%s", c->pipeline);
	if (c->state.topic)
		(void)snprintf(c->state_topic, sizeof c->state_topic, "%s", c->state.topic);
	else
		(void)snprintf(c->state_topic, sizeof c->state_topic, "chatmill.%s.state",
			       c->pipeline);
	config_look_together(c, l->findings);
}

int config_load_partly(struct config **out, const char *file, struct findings *findings,
		       struct err *err)
{
	OWNED(config) *c = calloc(1, sizeof *c);
	struct yaml_node *root = NULL;
	struct str text;

	if (!c)
		return err_set(err, ERR_OS, "configuration: out of memory");
	struct loader l = {.config = c, .findings = findings};
	c->file = arena_copy(&c->arena, str_of(file)).data;
	take_defaults(&l);
	if (file_read(&c->arena, file, FILE_BYTES_MAX, &text, err) < 0)
		return -1;
	l.origin = ORIGIN_FILE;
	if (yaml_parse(&c->arena, str_of(file), text, findings, &root) < 0)
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

enum err_kind config_fault(const struct config *c, size_t errors)
{
	return errors == c->denied ? ERR_PERMISSION : ERR_CONFIG;
}

int config_load(struct config **out, const char *file, struct findings *findings, struct err *err)
{
	OWNED(config) *c = NULL;
	size_t before = findings->errors;

	if (config_load_partly(&c, file, findings, err) < 0)
		return -1;
	if (findings->errors > before)
		return err_set(err, config_fault(c, findings->errors - before), "%s: %zu error%s", file,
			       findings->errors - before, findings->errors - before == 1 ? "" : "s");
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

const char *config_shown(const struct config *c, const char *const *field)
{
	size_t i = 0;

	while (config_key(i) && config_key(i)->offset != (size_t)((const char *)field - (const char *)c))
		i++;
	assert(config_key(i));
	return c->given[i].secret ? "***" : *field;
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

