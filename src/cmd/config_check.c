/* config_check.c - `chatmill config check`: the file by itself, and held against the servers. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/check.h"
#include "cmd/commands.h"
#include "store/pg.h"

struct check_options {
	const char *file, *service;
	bool servers, insecure;
};

/* ---- the file by itself ---- */

static void look_at_kafka(const struct config *config, bool insecure, struct findings *findings)
{
	brokers_find(config, insecure, findings);
	for (size_t i = 0; i < config->kafka.count; i++)
		if (!strcmp(config->kafka.items[i].name, "bootstrap.servers"))
			return;
	findings_add(findings, FINDING_WARNING, str_of(config->file), 0, 0,
		     "kafka has no bootstrap.servers; run, load and sink need it");
}

/* Every key that libpq or we refuse, and a server that is not verified. */
static void look_at_postgres(const struct config *config, struct findings *findings)
{
	const char *host = "/", *sslmode = "prefer", *shown = sslmode; /* as libpq has them */

	for (size_t i = 0; i < config->postgres.count; i++) {
		const struct property *p = &config->postgres.items[i];
		struct err why = {0};
		host = !strcmp(p->name, "host") ? p->value : host;
		if (!strcmp(p->name, "sslmode")) {
			sslmode = p->value;
			shown = p->given.secret ? "***" : sslmode;
		}
		if (pg_setting_check(&(struct pg_setting){p->name, p->value}, &why) < 0)
			config_complain(config, findings, FINDING_ERROR, &p->given, why.text);
	}
	bool local = host[0] == '/' || !strcmp(host, "localhost") || !strncmp(host, "127.", 4) ||
		     !strcmp(host, "::1");
	if (!local && strcmp(sslmode, "verify-full") != 0)
		findings_add(findings, FINDING_WARNING, str_of(config->file), 0, 0,
			     "postgres.sslmode is %s: the server is not verified; write verify-full, "
			     "and sslrootcert", shown);
}

/* All that is wrong in the file and the environment, in one run. */
static int open_checked(struct config **out, const struct check_options *o, struct err *err)
{
	OWNED(config) *config = NULL;
	struct findings findings = {0};
	int status = config_load_partly(&config, o->file, &findings, err);

	if (status == 0) {
		look_at_kafka(config, o->insecure, &findings);
		look_at_postgres(config, &findings);
		if (findings.errors)
			status = err_set(err, config_fault(config, findings.errors), "%s: %zu error%s",
					 o->file, findings.errors, findings.errors == 1 ? "" : "s");
	}
	findings_print(&findings, stderr);
	findings_fini(&findings);
	if (status == 0)
		*out = TAKE(config);
	return status;
}

/* ---- the servers ---- */

static int choose_services(struct check *check, const char *service, struct err *err)
{
	bool has_postgres = check->config->postgres.count > 0;

	check->run = !service || !strcmp(service, "run");
	check->sink = service ? !strcmp(service, "sink") : has_postgres;
	if (!check->run && !check->sink)
		return err_set(err, ERR_USAGE, "--for is run or sink, not '%s'", service);
	if (check->sink && !has_postgres)
		return err_set(err, ERR_CONFIG, "%s: postgres is missing; the sink needs it",
			       check->config->file);
	return 0;
}

static int judge(const struct check *check, const char *file, struct err *err)
{
	size_t errors = check->findings.errors;

	if (check->away)
		return err_set(err, ERR_UNAVAILABLE, "%s: a server does not answer", file);
	if (errors && errors == check->missing_rights)
		return err_set(err, ERR_PERMISSION, "%s: %zu rights are missing", file, errors);
	if (errors)
		return err_set(err, ERR_CONFIG, "%s: %zu errors on the servers", file, errors);
	return 0;
}

static int ask_servers(const struct config *config, const struct check_options *o, struct err *err)
{
	OWNED(brokers) *brokers = NULL;
	struct check check = {.config = config};

	if (brokers_new(&brokers, config, o->insecure, err) < 0 ||
	    choose_services(&check, o->service, err) < 0)
		return -1;
	check.brokers = brokers;
	check_kafka(&check);
	if (check.sink)
		check_postgres(&check);
	int status = judge(&check, o->file, err);
	findings_print(&check.findings, stderr);
	findings_fini(&check.findings);
	return status;
}

/* ---- the command ---- */

static int run(const void *given, const char *const *arguments, int count, struct err *err)
{
	const struct check_options *o = given;
	OWNED(config) *config = NULL;

	if (open_checked(&config, o, err) < 0)
		return -1;
	if (o->service && !o->servers)
		return err_set(err, ERR_USAGE, "--for says whom to check on the servers; add --servers");
	if (o->servers && ask_servers(config, o, err) < 0)
		return -1;
	fprintf(stderr, "%s: ok\n", o->file);
	return 0;
}

static const struct option options[] = {
	OPTION_CONFIG(struct check_options),
	{"servers", 0, OPTION_FLAG, NULL, "also ask Kafka and PostgreSQL",
	 offsetof(struct check_options, servers)},
	{"for", 0, OPTION_TEXT, "SERVICE", "run or sink (default: run; sink too, if there is postgres)",
	 offsetof(struct check_options, service)},
	OPTION_INSECURE(struct check_options),
	OPTIONS_END,
};

const struct command cmd_config_check = {
	.words = "config check",
	.arguments = "-c FILE [--servers [--for run|sink]]",
	.summary = "say everything that is wrong with a configuration, and with its servers",
	.help = "Reads the file and the environment as every command does and prints all that is\n"
		"wrong as file:line:col: error: what. `config show` lists every key and value.\n"
		"\n"
		"With --servers also, changing nothing there: topics, their partitions and settings,\n"
		"rights on topics, groups and transactional ids, version of the schema, whose it is, and\n"
		"rights of the database role. Every finding says what to do.\n"
		"\n"
		"examples:\n"
		"  chatmill config check -c chatmill.yaml\n"
		"  chatmill config check -c chatmill.yaml --servers\n"
		"  chatmill config check -c sink.yaml --servers --for sink\n"
		"\n"
		"exit status: 0 fine, 66 no such file, 69 a server is away, 77 rights are missing (and\n"
		"nothing else), 78 wrong configuration, topics or schema",
	.options = options,
	.options_bytes = sizeof(struct check_options),
	.run = run,
};
