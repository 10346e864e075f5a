/* fuzz_rules.c - any bytes as a rule file, or as a bundle: findings or rules, never a crash. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "rules/lint.h"
#include "rules/load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_source(struct buf *out, const char *kind, const char *path, struct str text)
{
	buf_printf(out, "%s %zu %s\n", kind, text.len, path);
	buf_put(out, text);
	buf_putc(out, '\n');
}

/* What is loaded is warned about, bundled, and loaded again as the same set. */
static void check(struct ruleset *set)
{
	struct findings findings = {0};
	struct ruleset *again = NULL;
	struct err err = {0};
	int status;

	ruleset_lint(set, &findings);
	assert(findings.errors == 0);
	for (size_t i = 0; i < set->rule_count; i++) {
		const struct rule *rule = &set->rules[i];
		size_t index;
		assert(rule->pack_index < set->pack_count);
		assert(ruleset_find(set, rule->pack, rule->id, &index) && index == i);
	}
	status = ruleset_unbundle(&again, ruleset_bundle(set), &findings, &err);
	assert(status == 0 && strcmp(set->digest, again->digest) == 0);
	ruleset_free(again);
	findings_fini(&findings);
}

static void try(struct str bundle)
{
	struct findings findings = {0};
	struct ruleset *set = NULL;
	struct err err = {0};

	if (ruleset_unbundle(&set, bundle, &findings, &err) == 0) {
		assert(findings.errors == 0);
		check(set);
		ruleset_free(set);
	} else {
		assert(err.kind != ERR_NONE && err.text[0]);
	}
	findings_fini(&findings);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str input = {(const char *)data, size};
	struct arena arena = {0};
	struct buf bundle = {0};

	if (str_starts(input, STR("chatmill-rules "))) {
		try(input);
		return 0;
	}
	/* The order of kinds is that of bundles: rules, semantics, words. */
	buf_put(&bundle, STR("chatmill-rules 1\n"));
	put_source(&bundle, "rules", "fuzz.yaml", input);
	put_source(&bundle, "semantics", "semantics", ruleset_semantics(&arena));
	put_source(&bundle, "words", "words/rivals.txt", STR("# names\n甲公司\n\n乙公司\n"));
	try(buf_str(&bundle));
	buf_fini(&bundle);
	arena_fini(&arena);
	return 0;
}
