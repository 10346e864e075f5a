/* bug.h - the last words of a program that has found a mistake of its own.
 * SPDX-License-Identifier: Apache-2.0
 *
 * An assertion, UNREACHABLE() and the checks of the C library end by abort(). After bug_init() that is
 * exit status 70 (ERR_BUG) with one line on standard error, for supervisors that know exit statuses;
 * no core is written. A SIGABRT that comes from elsewhere (the watchdog of systemd) is no bug of
 * ours and ends the program as ever.
 *
 * Thread: bug_init() by main, before there are others.
 */
#pragma once

void bug_init(void);
