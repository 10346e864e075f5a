/* base.h - the few words that every file may use.
 * SPDX-License-Identifier: Apache-2.0
 *
 * OWNED(matcher) *m frees on every way out of a scope; TAKE(m) hands it over on the only good one.
 * Assertions are for our own bugs and stay on in every build (meson.build refuses b_ndebug).
 *
 * Thread: any.
 */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

#define DAY_MS INT64_C(86400000)

enum { CACHE_LINE = 64 };
/* Brings `bytes` from `at` on into the cache, while something else is done. Any address will do. */
static inline void prefetch(const void *at, size_t bytes)
{
	uintptr_t end = (uintptr_t)at + bytes;

	for (uintptr_t line = (uintptr_t)at & ~(uintptr_t)(CACHE_LINE - 1); line < end; line += CACHE_LINE)
		__builtin_prefetch((const void *)line);
}

/* A place that only a bug of ours can reach. */
#define UNREACHABLE(why)                                                                           \
	do {                                                                                       \
		fprintf(stderr, "bug: %s:%d: %s\n", __FILE__, __LINE__, why);                      \
		abort();                                                                           \
	} while (0)

/* DEFINE_OWNED(x) after `void x_free(struct x *)` makes OWNED(x) usable as a variable's type. */
#define DEFINE_OWNED(name)                                                                         \
	static inline void name##_free_at_end(struct name **p)                                     \
	{                                                                                          \
		name##_free(*p);                                                                   \
	}                                                                                          \
	struct name
#define OWNED(name) __attribute__((cleanup(name##_free_at_end))) struct name
#define TAKE(p)                                                                                    \
	({                                                                                         \
		__typeof__(p) taken_ = (p);                                                        \
		(p) = NULL;                                                                        \
		taken_;                                                                            \
	})

static inline void free_at_end(void *p)
{
	free(*(void **)p);
}
/* OWNED_MEM char *s: plain memory that is freed when the scope ends. */
#define OWNED_MEM __attribute__((cleanup(free_at_end)))
