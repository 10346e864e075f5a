/* load.h - reads a folder of rule files into a ruleset; the only way to get one.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Reads every *.yaml and *.yml below the folder (not *.test.yaml), in the order of their names as
 * bytes, and the word files they name. All errors of all files are found in one run. The same
 * files can come as a bundle: one text that holds them all, as it is published on
 * `chat.rulesets` and hashed into the digest.
 *
 * Thread: any; who forgets the words of a set does so before others share it.
 */
#pragma once

#include "base/err.h"
#include "base/findings.h"
#include "rules/ruleset.h"

/* Reads the folder `dir` and, if not NULL, the directory file `staff`. On success the caller owns
 * *out (ruleset_free). Returns -1 with findings.errors > 0 (rules that are wrong; err says how
 * many), or -1 with the err of the file system. Warnings may be there after success too. */
MUST_CHECK int ruleset_load(struct ruleset **out, const char *dir, const char *staff,
			    struct findings *findings, struct err *err);

/* The same with everything that a rule set may be made of. */
struct ruleset_inputs {
	const char *dir;
	const char *staff; /* or NULL */
	const struct consent_rule *consents; /* of the configuration */
	size_t consent_count;
	/* For those who look for more findings: rules that are wrong do not keep the set back, what
	 * could not be read is missing from it. Not to judge by when findings.errors > 0. */
	bool partly;
};
MUST_CHECK int ruleset_load_from(struct ruleset **out, const struct ruleset_inputs *in,
				 struct findings *findings, struct err *err);

/* The same from a bundle. ERR_CONFIG if this program judges by other semantics than the one that
 * made the bundle: the past would get another meaning under the same digest. */
MUST_CHECK int ruleset_unbundle(struct ruleset **out, struct str bundle, struct findings *findings,
				struct err *err);

/* The bundle of a loaded set: deterministic text from which ruleset_unbundle() makes the same set
 * with the same digest. Lives as long as the set, or until ruleset_forget_words(). */
struct str ruleset_bundle(const struct ruleset *set);

/* Gives back what only checking, compiling and publishing look at: the bundle, and which words the
 * lists hold. Their rows have none afterwards. */
void ruleset_forget_words(struct ruleset *set);

/* What the program's rules mean, as it stands in every bundle: the version of their semantics and
 * of the folding. In `arena`. */
struct str ruleset_semantics(struct arena *arena);

/* The index of a rule by the names of its pack and itself. */
bool ruleset_find(const struct ruleset *set, struct str pack, struct str id, size_t *out);

/* What happens to messages of a customer of `corpid` who disagreed. */
enum consent ruleset_consent(const struct ruleset *set, struct str corpid);

void ruleset_free(struct ruleset *set); /* NULL is fine */
DEFINE_OWNED(ruleset);
