/* directory.h - who is staff, and of which department (`identity.staff`).
 * SPDX-License-Identifier: Apache-2.0
 *
 * The file has one `userid` or `userid,department` a line; blank lines and lines that begin with
 * # are skipped. It overrules the prefix of an id, decides who is judged, and so belongs to the
 * digest of a rule set. Immutable once loaded. Thread: any.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/findings.h"
#include "model.h"

struct directory;

/* Reads the text of the file `name`. The directory lives in `arena`. Lines that make no sense
 * become findings. */
const struct directory *directory_parse(struct arena *arena, struct str name, struct str text,
					struct findings *findings);

/* Reads the file at `path` (NULL: an empty directory); what makes no sense in it is printed on standard
 * error and is an ERR_CONFIG. */
MUST_CHECK int directory_open(const struct directory **out, struct arena *arena, const char *path,
			      struct err *err);

/* An empty directory: every id is judged by its prefix. */
const struct directory *directory_empty(void);

/* Of an id in the directory: true, and its department (may be empty). */
bool directory_find(const struct directory *d, struct str userid, struct str *department);

/* The role of an id: the directory first; then `wm` or `wo` (first letter in any case) with at
 * least 24 characters is a customer, `wb` so long a robot, all others staff. */
enum role directory_role(const struct directory *d, struct str id);

/* The first userid of that department, or `otherwise`. */
struct str directory_member(const struct directory *d, struct str department, struct str otherwise);
