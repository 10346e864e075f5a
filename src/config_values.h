/* config_values.h - texts of a configuration become values of their key's type.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Private to config.c; config_together.c is of it too. Thread: any.
 */
#pragma once

#include "config.h"
#include "config_keys.h"

/* Puts `text` into the field of `key`; NULL, or what is wrong with it (static, or in the arena). */
const char *config_put_value(struct config *c, const struct key *key, struct str text);

/* Finds what each value allows and all of them together do not: topics of one name, an archive in the
 * database of people who disagreed, people forgotten before their messages, a directory file that is not
 * there. */
void config_look_together(const struct config *c, struct findings *findings);

/* A path as the file means it: relative to its folder. */
const char *config_resolve(struct config *c, const char *path);

/* Whether topics, groups and ids may be called like this. */
bool config_is_name(struct str s);
