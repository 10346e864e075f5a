/* clock.h - the one door to the clocks of the machine.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Nothing that decides about a message reads a clock: event time comes with the records, so that
 * a replay decides as the live run did. These are for deadlines of I/O, logs and progress lines.
 *
 * Thread: any.
 */
#pragma once

#include "base/base.h"

int64_t clock_wall_ms(void);	  /* since 1970, may jump */
int64_t clock_monotonic_ms(void); /* never goes back */
int64_t clock_monotonic_us(void);
int64_t clock_cpu_us(void); /* user and system time of this process */
void clock_sleep_ms(int64_t ms);
