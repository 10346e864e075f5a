/* http.h - the operator's port: /metrics, /livez, /readyz, /version. The one door to libmicrohttpd.
 * SPDX-License-Identifier: Apache-2.0
 *
 * One thread of its own with low priority serves all clients; whatever they do, workers are not
 * asked anything: answers are made from what workers have published. A client has HTTP_IDLE_S to
 * go on and HTTP_CLIENT_BYTES for its request; there are at most HTTP_CLIENTS_MAX clients, and of
 * one address HTTP_ADDRESS_MAX. The text of /metrics is made at most five times a second.
 *
 * /livez and /readyz answer 200 or 503 with {"ok":true|false,"reasons":["…"]}. The port has no
 * secrets and no TLS: bind it to a private address.
 *
 * Thread: http_start() and http_stop() by main; the callbacks are called by the port's thread.
 */
#pragma once

#include "base/err.h"
#include "metrics.h"

enum { HTTP_CLIENTS_MAX = 64, HTTP_ADDRESS_MAX = 16, HTTP_IDLE_S = 5, HTTP_CLIENT_BYTES = 16384 };

struct http;

/* Adds to a list of reasons. */
struct reasons {
	struct buf json; /* "…","…" */
	size_t count;
};
void reasons_add(struct reasons *r, const char *fmt, ...) PRINTF_LIKE(2, 3);

struct http_source {
	struct metrics *metrics;
	void (*refresh)(void *context); /* before metrics are written; may be NULL */
	/* What speaks against life and readiness; no reason: fine. */
	void (*live)(void *context, struct reasons *out);
	void (*ready)(void *context, struct reasons *out);
	void *context;
};

/* Listens on "host:port", ":port" or "[::1]:port", as the configuration has checked; `shown` stands
 * for it in the log and in errors. Borrows what the source points to for its life. */
MUST_CHECK int http_start(struct http **out, const char *listen, const char *shown,
			  const struct http_source *source, struct err *err);
void http_stop(struct http *h); /* NULL is fine */

/* Version of the linked libmicrohttpd. Static. */
const char *http_library_version(void);
