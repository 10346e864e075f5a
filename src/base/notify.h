/* notify.h - tells the service manager how we are (systemd's sd_notify protocol, without its library).
 * SPDX-License-Identifier: Apache-2.0
 *
 * A datagram of `NAME=value` lines to the socket that NOTIFY_SOCKET names: see sd_notify(3).
 * Without that variable nothing is sent. Thread: any.
 */
#pragma once

#include "base/str.h"

/* "READY=1", "STATUS=…", "WATCHDOG=1", "STOPPING=1". What cannot be sent is lost: the manager's
 * own timeouts are the answer to that. */
void notify_send(const char *state);
/* How often WATCHDOG=1 is wanted, or 0: half of what WATCHDOG_USEC allows this process. */
int64_t notify_watchdog_ms(void);
