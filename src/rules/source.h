/* source.h - the files that a rule set is made of, from a folder or from a bundle.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A bundle is one UTF-8 text that holds everything that judges, byte for byte, in an order of
 * its own (kind, then path, as bytes), so that neither the folder's place nor the order of
 * readdir counts:
 *
 *	chatmill-rules 1\n
 *	KIND SP BYTES SP PATH \n CONTENT \n        … for each file
 *
 * Kinds: rules (a YAML file), words (a word file that rules name), zone (a TZif file in base64),
 * staff (the directory file), consent (`corpid mode` lines; `*` for the default), semantics (the
 * version of the program's rule semantics and of its folding; of these there is exactly one).
 *
 * Thread: one, while rules are loaded.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum source_kind {
	SOURCE_CONSENT,
	SOURCE_RULES,
	SOURCE_SEMANTICS,
	SOURCE_STAFF,
	SOURCE_WORDS,
	SOURCE_ZONE,
	SOURCE_KIND_COUNT,
};

struct source {
	enum source_kind kind;
	struct str path; /* below the folder, with /; of a zone its name */
	struct str text;
};

/* Limits on what one rule set may bring; they bound loading, not anything a person writes. */
enum { SOURCES_MAX = 10000, SOURCE_BYTES_MAX = 16 * 1024 * 1024, BUNDLE_BYTES_MAX = 128 << 20 };

struct sources {
	struct arena *arena;
	const char *dir; /* NULL: from a bundle, nothing is read from disk */
	bool tests;	 /* holds tests, not rules */
	struct source *items;
	size_t count, cap;
};

/* Reads all rule files below `dir` (*.yaml and *.yml, not *.test.yaml; names that begin with a
 * dot are skipped; links are followed), sorted by path. */
MUST_CHECK int sources_read(struct sources *s, const char *dir, struct err *err);

/* The same for the tests beside the rules: *.test.yaml and *.test.yml. There may be none. */
MUST_CHECK int sources_read_tests(struct sources *s, const char *dir, struct err *err);

/* Takes a bundle apart. The texts are copied. */
MUST_CHECK int sources_unbundle(struct sources *s, struct str bundle, struct err *err);

/* The source of that kind and path, or NULL. */
const struct source *sources_find(const struct sources *s, enum source_kind kind, struct str path);

/* The same; a word file is read from the folder, a zone from the system, if it is not there yet. */
MUST_CHECK int sources_get(const struct source **out, struct sources *s, enum source_kind kind,
			   struct str path, struct err *err);

/* Adds a source; `path` and `text` must outlive `s`. */
void sources_add(struct sources *s, enum source_kind kind, struct str path, struct str text);

/* Sorts and writes the bundle. */
void sources_bundle(struct sources *s, struct buf *out);

/* The bytes of a zone's source, decoded. */
MUST_CHECK int source_zone_bytes(struct str *out, struct arena *arena, const struct source *source,
				 struct err *err);
