/* http.c - serves the operator's port. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "http.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "version_number.h"

enum { METRICS_AGE_MS = 200, NICE = 10 };

struct http {
	struct MHD_Daemon *daemon;
	struct http_source source;
	/* Of the port's thread: */
	struct buf metrics;
	int64_t metrics_ms; /* when the text was made; 0: never */
	struct buf body;
	bool nice;
};

void reasons_add(struct reasons *r, const char *fmt, ...)
{
	char text[600];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	if (r->count++)
		buf_putc(&r->json, ',');
	buf_put_json(&r->json, str_of(text));
}

/* ---- pages ---- */

struct page {
	unsigned status;
	const char *type;
	struct str body;
};

static struct page metrics_page(struct http *h)
{
	int64_t now_ms = clock_monotonic_ms();

	if (!h->metrics_ms || now_ms - h->metrics_ms > METRICS_AGE_MS) {
		if (h->source.refresh)
			h->source.refresh(h->source.context);
		buf_clear(&h->metrics);
		metrics_write(h->source.metrics, &h->metrics);
		h->metrics_ms = now_ms;
	}
	return (struct page){MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8",
			     buf_str(&h->metrics)};
}

static struct page reasons_page(struct http *h, void (*ask)(void *, struct reasons *))
{
	struct reasons reasons = {0};

	ask(h->source.context, &reasons);
	buf_printf(&h->body, "{\"ok\":%s,\"reasons\":[", reasons.count ? "false" : "true");
	buf_put(&h->body, buf_str(&reasons.json));
	buf_put(&h->body, STR("]}\n"));
	buf_fini(&reasons.json);
	return (struct page){reasons.count ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK,
			     "application/json", buf_str(&h->body)};
}

static struct page find_page(struct http *h, const char *path)
{
	buf_clear(&h->body);
	if (!strcmp(path, "/metrics"))
		return metrics_page(h);
	if (!strcmp(path, "/livez"))
		return reasons_page(h, h->source.live);
	if (!strcmp(path, "/readyz"))
		return reasons_page(h, h->source.ready);
	if (!strcmp(path, "/version"))
		return (struct page){MHD_HTTP_OK, "application/json",
				     STR("{\"name\":\"chatmill\",\"version\":\"" CHATMILL_VERSION
					 "\"}\n")};
	return (struct page){MHD_HTTP_NOT_FOUND, "text/plain",
			     STR("pages: /metrics /livez /readyz /version\n")};
}

static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_bytes, void **request)
{
	static char begun;
	struct http *h = context;
	struct page page;

	if (!h->nice) /* the thread belongs to the library: only from inside can it be slowed */
		(void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
	h->nice = true;
	bool reads = !strcmp(method, "GET") || !strcmp(method, "HEAD");
	if (!*request && reads) { /* the headers are here; a body, which nobody needs, is not */
		*request = &begun;
		return MHD_YES;
	}
	*upload_bytes = 0;
	page = reads ? find_page(h, url)
		     : (struct page){MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain", STR("GET only\n")};
	struct MHD_Response *response = MHD_create_response_from_buffer(
		page.body.len, (void *)(uintptr_t)page.body.data, MHD_RESPMEM_MUST_COPY);
	if (!response)
		return MHD_NO;
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, page.type);
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	enum MHD_Result result = MHD_queue_response(connection, page.status, response);
	MHD_destroy_response(response);
	return result;
}

/* ---- life ---- */

static int find_address(const char *listen, const char *shown, struct addrinfo **out, struct err *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	const char *colon = strrchr(listen, ':');
	char host[256];

	assert(colon && (size_t)(colon - listen) < sizeof host);
	(void)snprintf(host, sizeof host, "%.*s", (int)(colon - listen), listen);
	size_t len = strlen(host);
	char *name = host;
	if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		name++;
	}
	int rc = getaddrinfo(*name ? name : NULL, colon + 1, &hints, out);
	if (rc != 0)
		return err_set(err, ERR_CONFIG, "http.listen: %s: %s", shown, gai_strerror(rc));
	return 0;
}

/* The library's own words go nowhere else; they may hold bytes of a request, so they are dropped. */
static void drop_log(void *context, const char *format, va_list args)
{
}

int http_start(struct http **out, const char *listen, const char *shown,
	       const struct http_source *source, struct err *err)
{
	struct addrinfo *address;
	struct http *h;

	if (find_address(listen, shown, &address, err) < 0)
		return -1;
	h = calloc(1, sizeof *h);
	if (!h) {
		freeaddrinfo(address);
		return err_set(err, ERR_OS, "out of memory");
	}
	h->source = *source;
	unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL | MHD_USE_ERROR_LOG |
			 (address->ai_family == AF_INET6 ? MHD_USE_IPv6 : 0);
	errno = 0;
	h->daemon = MHD_start_daemon(
		flags, 0, NULL, NULL, answer, h, MHD_OPTION_EXTERNAL_LOGGER, drop_log, NULL,
		MHD_OPTION_SOCK_ADDR, address->ai_addr, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)HTTP_CLIENTS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
		(unsigned)HTTP_ADDRESS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTP_IDLE_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_CLIENT_BYTES, MHD_OPTION_END);
	freeaddrinfo(address);
	if (!h->daemon) {
		free(h);
		if (errno == EADDRINUSE)
			return err_set(err, ERR_CONFIG,
				       "http.listen: another process listens on %s; each `run` and `sink` "
				       "of a host wants a port of its own (CHATMILL_HTTP__LISTEN "
				       "in its environment)",
				       shown);
		return err_errno(err, ERR_CONFIG, "http.listen: cannot listen on %s", shown);
	}
	log_event(LOG_INFO, "http_listening", LOG_TEXT("address", shown));
	*out = h;
	return 0;
}

void http_stop(struct http *h)
{
	if (!h)
		return;
	MHD_stop_daemon(h->daemon);
	buf_fini(&h->metrics);
	buf_fini(&h->body);
	free(h);
}

const char *http_library_version(void)
{
	return MHD_get_version();
}
