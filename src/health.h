/* health.h - what a running process tells the outside: metrics, life, readiness, the service manager.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A thread of its own asks once a second and tells systemd (READY=1 at the start, WATCHDOG=1 while
 * nothing speaks against life, STATUS=… with the first reason against readiness); the operator's
 * port (http.h) is served by another. Both only read what workers publish. What is asked for /readyz
 * is asked for the gauge chatmill_ready too, so that the two agree.
 *
 * Thread: health_start() and health_stop() by main; the callbacks come from the two threads, never
 * at once.
 */
#pragma once

#include "http.h"

struct health;

struct health_settings {
	const char *listen; /* http.listen; NULL: no port */
	const char *listen_shown; /* in the log and in errors */
	bool insecure;
	void (*refresh)(void *context, struct metrics *m); /* before metrics are written */
	void (*live)(void *context, struct reasons *out);
	void (*ready)(void *context, struct reasons *out);
	void *context;
};

MUST_CHECK int health_start(struct health **out, const struct health_settings *settings,
			    struct err *err);
/* From here on nothing is asked; metrics stay until health_stop(). Stopping takes no notice of
 * clients. NULL is fine. */
void health_quiet(struct health *h);
void health_stop(struct health *h);

struct metrics *health_metrics(struct health *h);
