/* test_config.c - the configuration: values, origins, and what is said about mistakes. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <unistd.h>

#include "brokers.h"
#include "config.h"
#include "database.h"
#include "folder.h"

static void begin(void)
{
	folder_make();
	for (char **e = environ; *e; e++)
		cr_assert(strncmp(*e, "CHATMILL_", 9), "the test's own environment sets %s", *e);
}

/* Loads `text`; what is wrong comes back as printed, without the folder. */
static int load(const char *text, struct config **out, char *wrong, size_t room)
{
	struct findings findings = {0};
	struct err err = {0};
	char path[128];
	char *printed = NULL;
	size_t len;

	folder_write("c.yaml", text);
	(void)snprintf(path, sizeof path, "%s/c.yaml", folder);
	int status = config_load(out, path, &findings, &err);
	cr_expect_eq(status < 0, findings.errors > 0);
	if (status < 0)
		cr_expect_eq(err.kind, ERR_CONFIG);
	FILE *to = open_memstream(&printed, &len);
	findings_print(&findings, to);
	fclose(to);
	findings_fini(&findings);
	char *start = strstr(printed, "c.yaml");
	(void)snprintf(wrong, room, "%s", start ? start : printed);
	free(printed);
	return status;
}

static char *shown_as(const struct config *c, bool json)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	config_show(c, json, out);
	fclose(out);
	return text;
}

static const char *value_of(const struct properties *p, const char *name)
{
	for (size_t i = 0; i < p->count; i++)
		if (!strcmp(p->items[i].name, name))
			return p->items[i].value;
	return "(none)";
}

TestSuite(config, .init = begin, .fini = folder_remove);

Test(config, values_come_from_default_file_and_environment)
{
	struct config *c;
	char wrong[512];

	folder_write("secret", "s3cret\n");
	setenv("CHATMILL_WORKERS", "7", 1);
	setenv("CHATMILL_INPUT__TOPIC", "other.archive", 1);
	setenv("CHATMILL_KAFKA__BOOTSTRAP_SERVERS", "broker:1", 1);
	setenv("CHATMILL_CONSENT__wwCorp", "ignore", 1);
	setenv("CHATMILL_CONSENT__DEFAULT", "drop", 1);
	setenv("CHATMILL_POSTGRES__HOST", "db", 1);
	setenv("TEST_USER", "carl", 1);
	int status = load("pipeline: p1\n"
			  "workers: 3\n"
			  "kafka: {bootstrap.servers: 'localhost:9092', client.id: 12:30}\n"
			  "state: {dir: here, memory: 2d}\n"
			  "evidence: full\n"
			  "output: {hits: chat.hits, tags: null}\n"
			  "postgres: {password: {file: secret}, user: {env: TEST_USER}}\n"
			  "consent: {ww2: alert_only}\n",
			  &c, wrong, sizeof wrong);
	unsetenv("CHATMILL_WORKERS");
	unsetenv("CHATMILL_INPUT__TOPIC");
	unsetenv("CHATMILL_CONSENT__wwCorp");
	unsetenv("CHATMILL_CONSENT__DEFAULT");
	unsetenv("CHATMILL_POSTGRES__HOST");
	unsetenv("CHATMILL_KAFKA__BOOTSTRAP_SERVERS");
	cr_assert_eq(status, 0, "%s", wrong);
	cr_expect_str_eq(c->pipeline, "p1");
	cr_expect_eq(c->workers, 7);
	cr_expect_str_eq(c->input.topic, "other.archive");
	cr_expect_eq(c->input.partitions, 8);
	cr_expect_eq(c->kafka.count, 2);
	cr_expect_str_eq(c->kafka.items[0].value, "broker:1");
	cr_expect_str_eq(c->kafka.items[1].value, "12:30");
	cr_expect_eq(c->state.memory_ms, 2 * 86400000LL);
	cr_expect(!strncmp(c->state.dir, folder, strlen(folder)), "%s", c->state.dir);
	cr_expect_eq(c->evidence, EVIDENCE_FULL);
	cr_expect_str_eq(c->output.hits, "chat.hits");
	cr_expect_str_eq(c->output.tags, "chat.tags", "null leaves the default of a needed topic");
	cr_expect_str_eq(c->postgres.items[0].value, "s3cret");
	cr_expect_str_eq(c->postgres.items[1].value, "carl");
	cr_expect_str_eq(c->postgres.items[2].name, "host");
	cr_expect_str_eq(c->source, "/chatmill/p1");
	cr_expect_str_eq(c->state_topic, "chatmill.p1.state");
	cr_expect_eq(config_consent(c, STR("ww2")), CONSENT_ALERT_ONLY);
	cr_expect_eq(config_consent(c, STR("wwCorp")), CONSENT_IGNORE);
	cr_expect_eq(config_consent(c, STR("ww9")), CONSENT_DROP);
	char *shown = shown_as(c, false);
	cr_expect(strstr(shown, "workers: 7  # environment\n"));
	cr_expect(strstr(shown, "pipeline: p1  # file\n"));
	cr_expect(strstr(shown, "commit_interval_ms: 100  # default\n"));
	cr_expect(strstr(shown, "postgres.password: ***  # file\n"));
	cr_expect_not(strstr(shown, "s3cret"));
	free(shown);
	config_free(c);
}

/* Whatever a {file: …} or an {env: …} gave, of whatever type. */
Test(config, a_secret_is_not_shown)
{
	static const struct {
		const char *text, *shown;
	} rows[] = {
		{"input: {corpid: {env: TEST_SECRET}}\n", "input.corpid: ***  # file\n"},
		{"http: {listen: {file: listen}}\n", "http.listen: ***  # file\n"},
		{"workers: {file: number}\n", "workers: ***  # file\n"},
		{"output: {tags: {env: TEST_SECRET}}\n", "output.tags: ***  # file\n"},
		{"identity: {staff: {file: path}}\n", "identity.staff: ***  # file\n"},
		{"state: {memory: {file: time}}\n", "state.memory: ***  # file\n"},
		{"consent: {ww1: {file: consent}}\n", "consent.ww1: ***  # file\n"},
		{"kafka: {debug: {file: debug}}\n", "kafka.debug: ***  # file\n"},
	};

	setenv("TEST_SECRET", "TOPSECRET", 1);
	folder_write("listen", "localhost:4711\n");
	folder_write("number", "177\n");
	folder_write("path", "TOPSECRET\n");
	folder_write("TOPSECRET", "");
	folder_write("time", "4711s\n");
	folder_write("consent", "drop\n");
	folder_write("debug", "broker\n");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct config *c;
		char wrong[512];
		cr_assert_eq(load(rows[i].text, &c, wrong, sizeof wrong), 0, "%s", wrong);
		char *shown = shown_as(c, false);
		cr_expect(strstr(shown, rows[i].shown), "%s gives\n%s", rows[i].text, shown);
		cr_expect_not(strstr(shown, "TOPSECRET") || strstr(shown, "4711") || strstr(shown, "177") ||
			      strstr(shown, "drop") || strstr(shown, "broker"));
		free(shown);
		config_free(c);
	}
}

/* The variable of the environment has the last word, and is no secret by itself. */
Test(config, what_replaces_a_secret_is_shown)
{
	struct config *c;
	char wrong[512];

	setenv("TEST_SECRET", "TOPSECRET", 1);
	setenv("CHATMILL_INPUT__CORPID", "ww9", 1);
	cr_assert_eq(load("input: {corpid: {env: TEST_SECRET}}\n", &c, wrong, sizeof wrong), 0);
	char *shown = shown_as(c, false);
	cr_expect(strstr(shown, "input.corpid: ww9  # environment\n"), "%s", shown);
	free(shown);
	config_free(c);
	unsetenv("CHATMILL_INPUT__CORPID");
}

/* What librdkafka and libpq say about a value quotes it. */
Test(config, no_error_holds_a_secret)
{
	struct config *c;
	char wrong[512];
	struct findings findings = {0};
	struct pg *pg;
	struct pg_fault fault;

	setenv("TEST_SECRET", "TOPSECRET", 1);
	cr_assert_eq(load("kafka: {debug: {env: TEST_SECRET}, linger.ms: {env: TEST_SECRET}}\n"
			  "postgres: {sslmode: {env: TEST_SECRET}}\n",
			  &c, wrong, sizeof wrong), 0, "%s", wrong);
	brokers_find(c, false, &findings);
	cr_assert_eq(findings.count, 2);
	for (size_t i = 0; i < findings.count; i++)
		cr_expect_not(memmem(findings.items[i].text.data, findings.items[i].text.len, "TOPSECRET", 9));
	findings_fini(&findings);
	struct err err;
	cr_assert_eq(database_new(&pg, c, &err), 0);
	cr_expect_eq(pg_connect(pg, &fault), -1);
	cr_expect_str_eq(fault.text, "invalid sslmode value: \"***\"");
	pg_free(pg);
	config_free(c);
}

Test(config, the_environment_switches_off_by_null)
{
	struct config *c;
	char wrong[512];

	setenv("CHATMILL_OUTPUT__HITS", "null", 1);
	setenv("CHATMILL_HTTP__LISTEN", "null", 1);
	int status = load("output: {hits: chat.hits}\nkafka: {bootstrap.servers: b}\n", &c, wrong, sizeof wrong);
	unsetenv("CHATMILL_OUTPUT__HITS");
	unsetenv("CHATMILL_HTTP__LISTEN");
	cr_assert_eq(status, 0, "%s", wrong);
	cr_expect_null(c->output.hits);
	cr_expect_null(c->http_listen);
	config_free(c);
}

Test(config, every_mistake_has_its_place_and_a_way_out)
{
	static const char *const rows[][2] = {
		{"pipelin: x\n", "c.yaml:1:10: error: pipelin: unknown key; did you mean pipeline?\n"},
		{"input: {topik: x}\n",
		 "c.yaml:1:16: error: input.topik: unknown key; did you mean input.topic?\n"},
		{"workers: many\n", "c.yaml:1:10: error: workers: must be a whole number\n"},
		{"workers: 0\n", "c.yaml:1:10: error: workers: must be from 1 to 256\n"},
		{"state: {memory: 7 days}\n", "c.yaml:1:17: error: state.memory: must be a time like "
					      "500ms, 30s, 10m, 2h, 7d\n"},
		{"evidence: some\n", "c.yaml:1:11: error: evidence: must be none, masked or full\n"},
		{"sink: {archive: yes}\n",
		 "c.yaml:1:17: error: sink.archive: must be true or false\n"},
		{"pipeline: a b\n", "c.yaml:1:11: error: pipeline: must be 1 to 60 of the characters "
				    "A-Z a-z 0-9 . _ -\n"},
		{"kafka: here\n", "c.yaml:1:8: error: kafka: must be a map of names and values\n"},
		{"input: here\n", "c.yaml:1:8: error: input: must be a map of keys\n"},
		{"postgres: {password: {vault: x}}\n", "c.yaml:1:22: error: password: must be one "
						       "value, {file: PATH} or {env: NAME}\n"},
		{"postgres: {password: {env: NOT_SET_ANYWHERE}}\n",
		 "c.yaml:1:22: error: password: the environment has no variable of that name\n"},
		{"consent: {ww1: maybe}\n",
		 "c.yaml:1:16: error: consent: must be ignore, alert_only or drop\n"},
		{"output: {deadletter: chat.archive}\n",
		 "c.yaml:1:22: error: output.deadletter: is the topic of input.topic too, and what is written "
		 "there would be read again without end; give it one of its own\n"},
		{"input: {topic: chat.tags}\n",
		 "c.yaml:1:16: error: input.topic: is the topic of output.tags too, and"},
		{"output: {tags: a, stages: a}\n",
		 "c.yaml:1:27: error: output.stages: is the topic of output.tags too; give it one of its own\n"},
		{"output: {hits: chat.alerts}\n",
		 "c.yaml:1:16: error: output.hits: is the topic of output.alerts too; give it one of its own\n"},
		{"pipeline: p\noutput: {rulesets: chatmill.p.state}\n",
		 "c.yaml:2:20: error: output.rulesets: is the topic of state.topic too; give it one"},
		{"state: {topic: chat.rulesets}\n",
		 "c.yaml:1:16: error: state.topic: is the topic of output.rulesets too; give it one"},
		{"output: {tags: a_b, stages: a.b}\n",
		 "c.yaml:1:29: error: output.stages: is the topic of output.tags too (Kafka takes . and _ for "
		 "the same); give it one of its own\n"},
		{"input: {topic: ..}\n", "c.yaml:1:16: error: input.topic: must be 1 to 60 of the "
					   "characters A-Z a-z 0-9 . _ -, and not . or ..\n"},
		{"output: {tags: .}\n", "c.yaml:1:16: error: output.tags: must be 1 to 60"},
		{"output: {tags: ''}\n", "c.yaml:1:16: error: output.tags: must be 1 to 60"},
		{"output: {tags: a/b}\n", "c.yaml:1:16: error: output.tags: must be 1 to 60"},
		{"http: {listen: nonsense}\n", "c.yaml:1:16: error: http.listen: must be host:port, :port or "
						 "[address]:port, with a port from 1 to 65535\n"},
		{"http: {listen: 'localhost:99999'}\n", "c.yaml:1:16: error: http.listen: must be host:port"},
		{"http: {listen: 'localhost:'}\n", "c.yaml:1:16: error: http.listen: must be host:port"},
		{"http: {listen: ':0'}\n", "c.yaml:1:16: error: http.listen: must be host:port"},
		{"sink: {archive: true}\nconsent: {ww2: drop}\n",
		 "c.yaml:2:16: error: consent.ww2: cannot be drop while sink.archive is true: the sink does not "
		 "know who disagreed and would store their messages\n"},
		{"state: {idle_days: 6}\n",
		 "c.yaml:1:20: error: state.idle_days: is shorter than state.memory, so that messages would be "
		 "forgotten early, with who wrote them; write at least as many days as state.memory has, or a "
		 "shorter state.memory\n"},
		{"state: {idle_days: 2, memory: 49h}\n",
		 "c.yaml:1:20: error: state.idle_days: is shorter than state.memory, so"},
		{"identity: {staff: /nowhere/staff.csv}\n",
		 "c.yaml:1:19: error: identity.staff: there is no file /nowhere/staff.csv; a path is relative to "
		 "the folder of the configuration\n"},
		{"- a\n", "c.yaml:1:1: error: configuration: must be a map of keys\n"},
		{"workers: 0\nevidence: x\n",
		 "c.yaml:1:10: error: workers: must be from 1 to 256\n"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct config *c;
		char wrong[1024];
		cr_expect_eq(load(rows[i][0], &c, wrong, sizeof wrong), -1, "%s", rows[i][0]);
		cr_expect(!strncmp(wrong, rows[i][1], strlen(rows[i][1])), "got %s\nwant %s", wrong,
			  rows[i][1]);
	}
}

/* What is fine by itself, and a place in the environment. */
Test(config, values_that_go_together)
{
	static const char *const rows[] = {
		"http: {listen: ':9464'}\n",	 "http: {listen: '[::1]:9464'}\n",
		"http: {listen: 'db-1.lan:1'}\n", "output: {tags: chat.tag, stages: chat.tags}\n",
		"state: {idle_days: 7}\n",	 "state: {idle_days: 2, memory: 48h}\n",
		"identity: {staff: c.yaml}\n",	 "sink: {archive: true}\nconsent: {default: ignore}\n",
	};
	struct config *c;
	char wrong[512];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cr_assert_eq(load(rows[i], &c, wrong, sizeof wrong), 0, "%s: %s", rows[i], wrong);
		config_free(c);
	}
	setenv("CHATMILL_OUTPUT__TAGS", "chat.archive", 1);
	setenv("TEST_SECRET", "chat.alerts", 1);
	cr_expect_eq(load("output: {stages: {env: TEST_SECRET}}\n", &c, wrong, sizeof wrong), -1);
	unsetenv("CHATMILL_OUTPUT__TAGS");
	cr_expect(strstr(wrong, "environment: error: output.tags: is the topic of input.topic too"), "%s", wrong);
	cr_expect(strstr(wrong, "error: output.alerts: ") == NULL, "%s", wrong);
	cr_expect(strstr(wrong, "c.yaml:1:18: error: output.stages: is the topic of output.alerts"), "%s", wrong);
}

Test(config, a_variable_refers_as_the_file_does)
{
	static const struct {
		const char *value, *wrong;
	} rows[] = {
		{"{file: nowhere}", "environment: error: input.corpid: "},
		{"{env: NOT_SET_ANYWHERE}", "the environment has no variable of that name"},
		{"{file: \"TOPSECRET}", "must be one value, {file: PATH} or {env: NAME}"},
		{"{file: a, TOPSECRET: b}", "must be one value, {file: PATH} or {env: NAME}"},
		{"{file:TOPSECRET}", "must be one value, {file: PATH} or {env: NAME}"},
	};
	struct config *c;
	char wrong[512];

	setenv("TEST_SECRET", "TOPSECRET", 1);
	setenv("CHATMILL_INPUT__CORPID", "{file: corp}", 1);
	setenv("CHATMILL_POSTGRES__PASSWORD", "{file: corp}", 1);
	setenv("CHATMILL_POSTGRES__USER", "{filed}", 1); /* any other text is one */
	setenv("CHATMILL_KAFKA__SASL_PASSWORD", "{env: TEST_SECRET}", 1);
	folder_write("corp", "TOPSECRET\n");
	cr_assert_eq(load("", &c, wrong, sizeof wrong), 0, "%s", wrong);
	cr_expect_str_eq(c->input.corpid, "TOPSECRET");
	cr_expect_str_eq(value_of(&c->postgres, "password"), "TOPSECRET");
	cr_expect_str_eq(value_of(&c->postgres, "user"), "{filed}");
	cr_expect_str_eq(value_of(&c->kafka, "sasl.password"), "TOPSECRET");
	char *shown = shown_as(c, false);
	cr_expect(strstr(shown, "input.corpid: ***  # environment\n"), "%s", shown);
	cr_expect_null(strstr(shown, "TOPSECRET"), "%s", shown);
	free(shown);
	config_free(c);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		setenv("CHATMILL_INPUT__CORPID", rows[i].value, 1);
		cr_expect_eq(load("", &c, wrong, sizeof wrong), -1, "%s", rows[i].value);
		cr_expect(strstr(wrong, rows[i].wrong), "%s gives\n%s", rows[i].value, wrong);
		cr_expect_null(strstr(wrong, "TOPSECRET"), "%s", wrong);
	}
	unsetenv("CHATMILL_INPUT__CORPID");
	unsetenv("CHATMILL_POSTGRES__PASSWORD");
	unsetenv("CHATMILL_POSTGRES__USER");
	unsetenv("CHATMILL_KAFKA__SASL_PASSWORD");
}

Test(config, an_unknown_variable_is_no_silent_typing_error)
{
	struct config *c;
	char wrong[512];

	setenv("CHATMILL_WORKER", "7", 1);
	cr_expect_eq(load("workers: 1\n", &c, wrong, sizeof wrong), -1);
	unsetenv("CHATMILL_WORKER");
	cr_expect_str_eq(wrong,
			 "environment: error: worker: unknown key; did you mean workers?\n");
}

Test(config, an_empty_file_is_all_defaults_and_no_file_is_said)
{
	struct config *c;
	struct findings findings = {0};
	struct err err;
	char wrong[512];

	cr_assert_eq(load("", &c, wrong, sizeof wrong), 0);
	cr_expect_str_eq(c->input.topic, "chat.archive");
	config_free(c);
	cr_expect_eq(config_load(&c, "/nowhere/c.yaml", &findings, &err), -1);
	cr_expect_eq(err.kind, ERR_NOINPUT);
}
