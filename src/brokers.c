/* brokers.c - hands the configuration's properties to kafka/. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "brokers.h"

#include <strings.h>

static const struct property *find(const struct config *config, const char *name, const char *alias)
{
	for (size_t i = config->kafka.count; i-- > 0;) {
		const struct property *p = &config->kafka.items[i];
		if (!strcmp(p->name, name) || (alias && !strcmp(p->name, alias)))
			return p;
	}
	return NULL;
}

static struct kafka_property handed_on(const struct property *p)
{
	return (struct kafka_property){p->name, p->value, p->given.secret};
}

void brokers_find(const struct config *config, bool insecure, struct findings *findings)
{
	const struct property *mechanism = find(config, "sasl.mechanisms", "sasl.mechanism");
	const struct property *protocol = find(config, "security.protocol", NULL);
	struct err why;

	for (size_t i = 0; i < config->kafka.count; i++) {
		const struct property *p = &config->kafka.items[i];
		struct kafka_property property = handed_on(p);
		if (kafka_property_check(&property, insecure, &why) < 0)
			config_complain(config, findings, FINDING_ERROR, &p->given, why.text);
	}
	if (!insecure && mechanism && protocol && !strcasecmp(mechanism->value, "PLAIN") &&
	    !strcasecmp(protocol->value, "sasl_plaintext"))
		config_complain(config, findings, FINDING_ERROR, &protocol->given,
				"kafka.security.protocol: sasl_plaintext would send the password of "
				"PLAIN in the clear; write sasl_ssl, or run with --insecure");
}

/* Checks every property of the `kafka` part and prints what is wrong as file:line:col. ERR_CONFIG
 * if there is anything. */
static int brokers_check(const struct config *config, bool insecure, struct err *err)
{
	struct findings findings = {0};

	brokers_find(config, insecure, &findings);
	size_t errors = findings.errors;
	findings_print(&findings, stderr);
	findings_fini(&findings);
	if (errors)
		return err_set(err, ERR_CONFIG, "%s: %zu error%s", config->file, errors,
			       errors == 1 ? "" : "s");
	return 0;
}

static bool has_servers(const struct config *config)
{
	for (size_t i = 0; i < config->kafka.count; i++)
		if (!strcmp(config->kafka.items[i].name, "bootstrap.servers") ||
		    !strcmp(config->kafka.items[i].name, "metadata.broker.list"))
			return true;
	return false;
}

int brokers_new(struct brokers **out, const struct config *config, bool insecure, struct err *err)
{
	OWNED(brokers) *b = calloc(1, sizeof *b);

	if (!b)
		return err_set(err, ERR_OS, "out of memory");
	if (brokers_check(config, insecure, err) < 0)
		return -1;
	if (!has_servers(config))
		return err_set(err, ERR_CONFIG,
			       "%s: kafka.bootstrap.servers is missing; write kafka: "
			       "{bootstrap.servers: \"host:9092\"}",
			       config->file);
	b->list = calloc(MAX(config->kafka.count, (size_t)1), sizeof *b->list);
	if (!b->list)
		return err_set(err, ERR_OS, "out of memory");
	for (size_t i = 0; i < config->kafka.count; i++)
		b->list[i] = handed_on(&config->kafka.items[i]);
	(void)snprintf(b->client_id, sizeof b->client_id, "chatmill-%.50s", config->pipeline);
	b->settings = (struct kafka_settings){b->list, config->kafka.count, b->client_id, insecure};
	*out = TAKE(b);
	return 0;
}

void brokers_free(struct brokers *b)
{
	if (!b)
		return;
	free(b->list);
	free(b);
}
