/* database.h - Hyperscan's databases: compiled within bounds, kept on disk.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Compiling runs in a child process under limits of processor time and memory, because some
 * regexes of a few characters take Hyperscan minutes and gigabytes; one that goes over them is
 * refused and the others go on. The databases come back serialised and are kept in a file, named
 * by all that decides about them: patterns, flags, the library's version, the processor.
 *
 * Words are compiled as bytes (\xNN) with hs_compile_multi: hs_compile_lit_multi of 5.4.0 loses
 * matches on runs of 34 and more equal bytes. Thread: any; databases are immutable and shared.
 */
#pragma once

#include <hs.h>

#include "base/err.h"
#include "base/str.h"

enum job_kind {
	JOB_WORDS,   /* byte strings; every end is reported */
	JOB_FILTER,  /* regexes, each reported once, without its start: which are worth a look */
	JOB_REGEX,   /* one regex, every end with its leftmost start */
};

/* One database to compile. Pattern i is reported as i. */
struct job {
	enum job_kind kind;
	const struct str *patterns; /* words: bytes; regexes: as Hyperscan reads them */
	const bool *caseless;	    /* regexes: by pattern */
	size_t count;

	/* What comes of it. */
	hs_database_t *database; /* NULL when refused; the caller frees it */
	unsigned max_width;	 /* JOB_REGEX: bytes of the longest match; UINT_MAX: no limit */
	char refusal[200];	 /* why; empty when done */
};

/* Compiles all jobs, or reads them from `cache_dir` (NULL: no cache). A refused job is no error.
 * Fails when the machine gives no child, memory or time for words. */
MUST_CHECK int database_compile(struct job *jobs, size_t count, const char *cache_dir,
				struct err *err);
