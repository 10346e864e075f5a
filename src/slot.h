/* slot.h - the place of a process among those of its kind on this host.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Processes that share a state.dir take the first slot whose lock file nobody holds, and name themselves
 * by it: a restart finds its old one free, and so takes its old place in the group at once instead of
 * waiting until the broker gives the dead member up. The lock ends with the process.
 *
 * Thread: any; once in a process.
 */
#pragma once

#include "base/err.h"

/* Makes `dir` with its parents if it is not there, and takes a slot in it: the file
 * `pipeline`.`kind`-N, N into *number. Returns the descriptor that holds the lock, the caller's to close
 * or to keep until the end; -1 and ERR_CONFIG if the folder cannot be used. */
MUST_CHECK int slot_take(const char *dir, const char *pipeline, const char *kind, int *number,
			 struct err *err);
