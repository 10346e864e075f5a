/* house.c - an interceptor of requests, which runs in the thread that sends one. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/house.h"

#include "base/heap.h"

#define NAME "chatmill-house"

static rd_kafka_resp_err_t on_request_sent(rd_kafka_t *rk, int sockfd, const char *broker,
					   int32_t broker_id, int16_t key, int16_t version,
					   int32_t correlation, size_t bytes, void *context)
{
	static _Thread_local uint32_t done; /* a thread belongs to one handle */
	const struct house *h = context;
	uint32_t asked = atomic_load_explicit(&h->asked, memory_order_relaxed);

	if (UNLIKELY(asked != done)) {
		done = asked;
		heap_give_back();
	}
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t on_new(rd_kafka_t *rk, const rd_kafka_conf_t *conf, void *context,
				  char *why, size_t why_bytes)
{
	return rd_kafka_interceptor_add_on_request_sent(rk, NAME, on_request_sent, context);
}

void house_watch(struct house *h, rd_kafka_conf_t *conf)
{
	/* Fails for a name that was added before. */
	(void)rd_kafka_conf_interceptor_add_on_new(conf, NAME, on_new, h);
}

void house_ask(struct house *h)
{
	atomic_fetch_add_explicit(&h->asked, 1, memory_order_relaxed);
}
