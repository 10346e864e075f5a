/* yaml.h - the one door to libyaml: a file as a tree in which every value knows its place.
 * SPDX-License-Identifier: Apache-2.0
 *
 * YAML read with care, for people who are not programmers (RULES.md): every scalar is text as
 * written (`no` is a word, `12:30` too); anchors, aliases, tags, merge keys, duplicate keys and
 * several documents are findings. Depth is at most YAML_DEPTH_MAX, a file YAML_BYTES_MAX.
 *
 * Thread: any, with an arena and findings of its own.
 */
#pragma once

#include "base/arena.h"
#include "base/findings.h"

enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };
enum { YAML_DEPTH_MAX = 32, YAML_BYTES_MAX = 16 * 1024 * 1024 };

struct yaml_pair {
	struct yaml_node *key; /* always a scalar */
	struct yaml_node *value;
};

struct yaml_node {
	enum yaml_kind kind;
	int line, col;	  /* from 1 */
	bool quoted;	  /* scalar in quotes or a block: `null` in quotes is a word */
	struct str text;  /* scalar: as written, without its quotes */
	size_t count;	  /* items of a list, pairs of a map */
	struct yaml_node **items;
	struct yaml_pair *pairs; /* in the order of the file */
};

/* Reads `text`, which came from `file`. The tree lives in `arena`. An empty file gives *out =
 * NULL and 0. Returns -1 when there is no tree to look at; the findings then say why. */
MUST_CHECK int yaml_parse(struct arena *arena, struct str file, struct str text,
			  struct findings *findings, struct yaml_node **out);

/* The value of `key` in a map, or NULL. */
struct yaml_node *yaml_find(const struct yaml_node *map, struct str key);

/* True for the plain scalars `null`, `~` and nothing at all. */
bool yaml_is_null(const struct yaml_node *node);

/* Version of the linked libyaml. Static. */
const char *yaml_library_version(void);
