/* readers.c - a ring of slots between the file and the state. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/readers.h"

#include <pthread.h>

#include "base/heap.h"

enum {
	SLOTS_A_JOB = 2, /* one being read, one being filled or taken back */
	JOBS_MAX = 64,
};

enum slot_state { SLOT_FREE, SLOT_GIVEN, SLOT_READING, SLOT_READ };

struct ring_slot {
	struct slot slot;
	enum slot_state state;
	char *block; /* of the file */
	size_t block_bytes, record_cap;
};

struct readers {
	const struct rulebook *book;
	struct ring_slot *ring;
	size_t ring_count, head, used; /* head: the oldest in use */
	bool taken; /* the caller still looks at the slot before head */
	int thread_count; /* 0: the caller reads */
	pthread_t threads[JOBS_MAX];
	pthread_mutex_t mutex;
	pthread_cond_t given, read;
	bool stop;
};

static void read_slot(const struct readers *r, struct slot *slot)
{
	for (size_t i = 0; i < slot->count; i++)
		pipeline_read(slot->pipeline, r->book, &slot->records[i], &slot->readings[i]);
}

/* The oldest slot that nobody reads yet. Called with the mutex held. */
static struct ring_slot *find_given(struct readers *r)
{
	for (size_t i = 0; i < r->used; i++) {
		struct ring_slot *s = &r->ring[(r->head + i) % r->ring_count];
		if (s->state == SLOT_GIVEN)
			return s;
	}
	return NULL;
}

static void *read_slots(void *argument)
{
	struct readers *r = argument;

	pthread_mutex_lock(&r->mutex);
	while (!r->stop) {
		struct ring_slot *s = find_given(r);
		if (!s) {
			pthread_cond_wait(&r->given, &r->mutex);
			continue;
		}
		s->state = SLOT_READING;
		pthread_mutex_unlock(&r->mutex);
		read_slot(r, &s->slot);
		pthread_mutex_lock(&r->mutex);
		s->state = SLOT_READ;
		pthread_cond_signal(&r->read);
	}
	pthread_mutex_unlock(&r->mutex);
	return NULL;
}

int readers_new(struct readers **out, const struct pipeline_settings *settings,
		const struct rulebook *book, int jobs, struct err *err)
{
	OWNED(readers) *r = calloc(1, sizeof *r);

	if (!r)
		return err_set(err, ERR_OS, "readers: out of memory");
	r->book = book;
	pthread_mutex_init(&r->mutex, NULL);
	pthread_cond_init(&r->given, NULL);
	pthread_cond_init(&r->read, NULL);
	jobs = MIN(jobs, JOBS_MAX);
	r->ring_count = jobs == 1 ? 2 : (size_t)jobs * SLOTS_A_JOB + 1;
	r->ring = calloc(r->ring_count, sizeof *r->ring);
	if (!r->ring)
		return err_set(err, ERR_OS, "readers: out of memory");
	for (size_t i = 0; i < r->ring_count; i++)
		if (pipeline_new(&r->ring[i].slot.pipeline, settings, err) < 0 ||
		    pipeline_fit(r->ring[i].slot.pipeline, book, err) < 0)
			return -1;
	for (int i = 0; jobs > 1 && i < jobs; i++) {
		if (pthread_create(&r->threads[i], NULL, read_slots, r) != 0)
			return err_set(err, ERR_OS, "readers: no thread to be had");
		r->thread_count++;
	}
	*out = TAKE(r);
	return 0;
}

void readers_free(struct readers *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->mutex);
	r->stop = true;
	pthread_cond_broadcast(&r->given);
	pthread_mutex_unlock(&r->mutex);
	for (int i = 0; i < r->thread_count; i++)
		pthread_join(r->threads[i], NULL);
	for (size_t i = 0; r->ring && i < r->ring_count; i++) {
		pipeline_free(r->ring[i].slot.pipeline);
		free(r->ring[i].slot.records);
		free(r->ring[i].slot.readings);
		free(r->ring[i].block);
	}
	free(r->ring);
	pthread_cond_destroy(&r->read);
	pthread_cond_destroy(&r->given);
	pthread_mutex_destroy(&r->mutex);
	free(r);
}

static void add_record(struct ring_slot *s, const struct record *record)
{
	if (s->slot.count == s->record_cap) {
		s->record_cap = MAX(s->record_cap * 2, (size_t)1024);
		s->slot.records = heap_grown(s->slot.records, s->record_cap * sizeof(struct record));
		s->slot.readings = heap_grown(s->slot.readings, s->record_cap * sizeof(struct reading));
	}
	s->slot.records[s->slot.count++] = *record;
}

/* The records keep the block of the file that they stand in; it gets the slot's last one. */
static size_t fill(struct ring_slot *s, struct file_source *source, size_t limit)
{
	struct record record;

	s->slot.count = 0;
	while (s->slot.count < limit && file_source_next(source, &record))
		add_record(s, &record);
	file_source_swap(source, &s->block, &s->block_bytes);
	s->slot.file = file_source_name(source);
	return s->slot.count;
}

static void release_taken(struct readers *r)
{
	if (!r->taken)
		return;
	struct ring_slot *s = &r->ring[r->head];
	pipeline_clear(s->slot.pipeline);
	s->state = SLOT_FREE;
	r->head = (r->head + 1) % r->ring_count;
	r->used--;
	r->taken = false;
}

size_t readers_give(struct readers *r, struct file_source *source, size_t limit)
{
	assert(!readers_full(r));
	struct ring_slot *s = &r->ring[(r->head + r->used) % r->ring_count];
	size_t count = fill(s, source, limit);

	if (r->thread_count == 0) {
		read_slot(r, &s->slot);
		s->state = SLOT_READ;
		r->used++;
		return count;
	}
	pthread_mutex_lock(&r->mutex);
	s->state = SLOT_GIVEN;
	r->used++;
	pthread_cond_signal(&r->given);
	pthread_mutex_unlock(&r->mutex);
	return count;
}

bool readers_full(const struct readers *r)
{
	/* One job: each block is taken back before the next is read, so its memory stays warm. */
	return r->used - r->taken >= (r->thread_count ? r->ring_count - 1 : 1);
}

bool readers_empty(const struct readers *r)
{
	return r->used == (size_t)r->taken;
}

struct slot *readers_take(struct readers *r)
{
	struct slot *slot = NULL;

	pthread_mutex_lock(&r->mutex);
	release_taken(r);
	if (r->used) {
		struct ring_slot *s = &r->ring[r->head];
		while (s->state != SLOT_READ)
			pthread_cond_wait(&r->read, &r->mutex);
		r->taken = true;
		slot = &s->slot;
	}
	pthread_mutex_unlock(&r->mutex);
	return slot;
}
