/* fault.h - places where a test may end the program, as a kill would.
 * SPDX-License-Identifier: Apache-2.0
 *
 * CHATMILL_FAULT=name:n ends the process with status 137 (that of SIGKILL) when the place `name`
 * is passed for the n-th time: nothing is flushed, no handler runs. Without the variable a place
 * costs one load. Names are stable: NOUN_PLACE, listed where they are used.
 *
 * Thread: any; passes of all threads are counted together.
 */
#pragma once

#include "base/base.h"

/* Reads CHATMILL_FAULT; main() calls it once before there are threads. */
void fault_init(void);
void fault_point(const char *name);
