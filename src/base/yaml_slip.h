/* yaml_slip.h - what libyaml stumbled over, as the mistake that a person made, where it was made.
 * SPDX-License-Identifier: Apache-2.0
 *
 * libyaml names the place at which it could not go on: the line behind a colon that is none, the end of
 * the file behind a quote that nobody closed. People look for the place where they slipped.
 *
 * Thread: any, with findings of its own.
 */
#pragma once

#include "base/findings.h"

struct yaml_place {
	int line, col; /* from 1; line 0: none */
};

struct yaml_stumble {
	const char *problem, *context; /* libyaml's words; context NULL: none */
	struct yaml_place at;	       /* where it could not go on */
	struct yaml_place begun;       /* where what it read then begins */
	struct yaml_place quote;       /* where the text in quotes of several lines begins that stands right before */
};

/* Adds one finding about `text`, which came from `file`. */
void yaml_slip(struct findings *findings, struct str file, struct str text, const struct yaml_stumble *s);
