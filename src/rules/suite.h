/* suite.h - the tests beside the rules: *.test.yaml.
 * SPDX-License-Identifier: Apache-2.0
 *
 *	tests:
 *	  - name: TEXT
 *	    messages: [SAMPLE, …]               as in rules/sample.h
 *	    until: 40d                          moves the clock on after the last message
 *	    expect: [{rule: pack/id, add: […], remove: […], stage: NAME, alert: SEVERITY or
 *	             {severity, category, count}, cause: rule}]
 *	    not: [{rule: pack/id}]
 *
 * `expect` is exact and in order; an item is all that one rule did at one message (or at one
 * falling due): what it does not name must not be there, but for `cause`, which is looked at only
 * if it is named. An item of `not` matches whatever has all that it names; such a thing must not
 * come. All of its names must be known: rules, tags and stages of the set, categories that one of its
 * alerts has. Lives in the arena it was read into. Thread: any.
 */
#pragma once

#include "base/err.h"
#include "base/findings.h"
#include "rules/sample.h"

struct suite_item {
	int line, col;
	struct str rule;  /* pack/id */
	struct str cause; /* empty: any */
	struct strs add, remove; /* tag, or group/tag */
	struct str stage; /* or ladder/stage; empty: none */
	bool alert;
	struct str severity, category; /* empty: any */
	int64_t count;			/* -1: any */
};

struct suite_test {
	struct str file, name;
	int line, col;
	const struct sample *messages;
	size_t message_count;
	int64_t until_ms; /* -1: the clock stays at the last message */
	bool has_expect;
	const struct suite_item *expect, *never;
	size_t expect_count, never_count;
};

struct suite {
	const struct suite_test *tests; /* by file, then place */
	size_t count;
};

/* Reads all tests below `dir`, for the rules of `set`. -1 with findings.errors > 0 for tests that make
 * no sense, or with the err of the file system. */
MUST_CHECK int suite_read(struct suite *out, struct arena *arena, const char *dir,
			  const struct ruleset *set, struct findings *findings, struct err *err);
