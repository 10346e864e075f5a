/* publish.h - puts a checked rule set into force.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Pieces go onto chat.rulesets, then a rules record onto every partition of the archive, those all
 * in one transaction.
 *
 * Dies the publisher between the two, the set lies on the topic and judges nothing; publishing
 * again goes on from there. Two publishers at a time fence each other (one transactional id).
 *
 * Thread: that of the command; takes as long as compiling the rules, and the lead.
 */
#pragma once

#include "brokers.h"
#include "shelf.h"

struct publish_settings {
	const struct config *config;
	const struct brokers *brokers;
	const char *dir;
	const char *by;	    /* who; NULL: user@host */
	int64_t lead_ms;    /* time that workers get to compile before the rules records */
	bool only_new;	    /* nothing happens if this set was the last one published */
	const char *cache_dir; /* of compiled rules, or NULL */
};

enum publish_result { PUBLISH_DONE, PUBLISH_NOT_NEW };

/* Writes the set's digest to `digest`. Findings go to standard error. Returns an enum
 * publish_result, or -1: ERR_DATA for rules that are wrong. */
MUST_CHECK int publish_rules(const struct publish_settings *settings, char digest[DIGEST_TEXT_SIZE],
			     struct err *err);

/* Rules, directory and consents, compiled: all that a set of this host is made of. */
MUST_CHECK int publish_load(struct rulebook **out, const struct publish_settings *settings,
			    struct err *err);
