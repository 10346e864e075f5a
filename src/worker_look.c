/* worker_look.c - what operators see of a worker. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "worker_parts.h"

void worker_note_brokers(struct worker *w, bool up)
{
	atomic_store_explicit(&w->counts.brokers, up, memory_order_relaxed);
	meter_brokers(w->meter, up);
}

void worker_note_trouble(struct worker *w, const char *text)
{
	pthread_mutex_lock(&w->trouble_lock);
	(void)snprintf(w->trouble, sizeof w->trouble, "%s", text);
	pthread_mutex_unlock(&w->trouble_lock);
}

void worker_trouble(struct worker *w, char *out, size_t size)
{
	pthread_mutex_lock(&w->trouble_lock);
	(void)snprintf(out, size, "%s", w->trouble);
	pthread_mutex_unlock(&w->trouble_lock);
}

void worker_note_turn(struct worker *w)
{
	atomic_store_explicit(&w->counts.turned_ms, clock_monotonic_ms(), memory_order_relaxed);
}

void worker_look(struct worker *w)
{
	size_t count;
	const struct owned *owned = topic_source_owned(w->source, &count);

	meter_look(w->meter, &w->holdings, owned, topic_source_consumer(w->source),
		   w->settings.config->input.topic);
}
