/* database.c - a child that compiles, and the parent that waits for it. */
/* SPDX-License-Identifier: Apache-2.0 */

/* fork() without exec in a program with threads: the child only computes, with malloc (which glibc
 * keeps usable in the child), and leaves by _exit(). Databases go back through a file in memory,
 * what became of each job through a shared page, so that what was done before the child died is
 * not lost. */
#include "match/database.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "match/cache.h"

enum {
	/* As many as there may be take a tenth of a second; this is for a machine that is busy and slow. */
	WORDS_CPU_S = 60,
	/* Useful regexes take milliseconds. Three that go over this end the compiling, so that a
	 * folder full of them is refused in less than 10 s. */
	REGEX_CPU_S = 2,
	TOO_DEAR_MAX = 3,
	MEMORY_BYTES_MAX = 1024 * 1024 * 1024,
};

enum job_state { STATE_WAITING, STATE_RUNNING, STATE_DONE, STATE_REFUSED };

struct outcome {
	enum job_state state;
	uint64_t offset, len; /* in the file */
	unsigned max_width;
	char refusal[200];
};

/* ---- the child ---- */

static char *escaped(struct arena *arena, struct str pattern)
{
	static const char hex[] = "0123456789abcdef";
	char *text = arena_alloc(arena, pattern.len * 4 + 1);

	for (size_t i = 0; i < pattern.len; i++) {
		unsigned char c = (unsigned char)pattern.data[i];
		memcpy(text + i * 4, "\\x", 2);
		text[i * 4 + 2] = hex[c >> 4];
		text[i * 4 + 3] = hex[c & 15];
	}
	text[pattern.len * 4] = '\0';
	return text;
}

static unsigned flags_of(const struct job *job, size_t i)
{
	unsigned flags = HS_FLAG_UTF8 | (job->kind != JOB_WORDS && job->caseless[i] ? HS_FLAG_CASELESS : 0);

	switch (job->kind) {
	case JOB_WORDS:
		return 0;
	case JOB_FILTER:
		return flags | HS_FLAG_SINGLEMATCH;
	case JOB_REGEX:
		return flags | HS_FLAG_SOM_LEFTMOST;
	}
	UNREACHABLE("a kind of job that is not in the enum");
}

static hs_error_t compile_job(const struct job *job, struct outcome *o, hs_database_t **database)
{
	struct arena arena = {0};
	const char **texts = ARENA_ARRAY(&arena, const char *, job->count);
	unsigned *flags = ARENA_ARRAY(&arena, unsigned, job->count);
	unsigned *ids = ARENA_ARRAY(&arena, unsigned, job->count);
	hs_compile_error_t *error = NULL;
	hs_expr_info_t *info = NULL;

	for (size_t i = 0; i < job->count; i++) {
		texts[i] = job->kind == JOB_WORDS ? escaped(&arena, job->patterns[i])
						  : arena_copy(&arena, job->patterns[i]).data;
		flags[i] = flags_of(job, i);
		ids[i] = (unsigned)i;
	}
	hs_error_t code = hs_compile_multi(texts, flags, ids, (unsigned)job->count, HS_MODE_BLOCK, NULL,
					   database, &error);
	if (code == HS_SUCCESS && job->kind == JOB_REGEX) {
		code = hs_expression_info(texts[0], flags[0], &info, &error);
		if (code == HS_SUCCESS)
			o->max_width = info->max_width;
		free(info);
	}
	if (code != HS_SUCCESS)
		(void)snprintf(o->refusal, sizeof o->refusal, "%s",
			       error ? error->message : "Hyperscan ran out of memory");
	hs_free_compile_error(error);
	arena_fini(&arena);
	return code;
}

static bool write_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t done = write(fd, data, len);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		data += done;
		len -= (size_t)done;
	}
	return true;
}

/* So many seconds of processor time from now on; then SIGXCPU ends the child. */
static bool limit_time(rlim_t seconds)
{
	struct rusage used;

	if (getrusage(RUSAGE_SELF, &used) < 0)
		return false;
	rlim_t now = (rlim_t)used.ru_utime.tv_sec + (rlim_t)used.ru_stime.tv_sec + 1;
	return setrlimit(RLIMIT_CPU, &(struct rlimit){now + seconds, RLIM_INFINITY}) == 0;
}

static bool run_job(const struct job *job, struct outcome *o, int fd)
{
	hs_database_t *database = NULL;
	char *bytes = NULL;
	size_t len;

	o->state = STATE_RUNNING;
	if (!limit_time(job->kind == JOB_REGEX ? REGEX_CPU_S : WORDS_CPU_S))
		return false;
	if (compile_job(job, o, &database) != HS_SUCCESS) {
		o->state = STATE_REFUSED;
		return true;
	}
	if (hs_serialize_database(database, &bytes, &len) != HS_SUCCESS)
		return false;
	o->offset = (uint64_t)lseek(fd, 0, SEEK_END);
	o->len = len;
	if (!write_all(fd, bytes, len))
		return false;
	o->state = STATE_DONE;
	free(bytes);
	hs_free_database(database);
	return true;
}

/* Memory beyond what the parent already has. */
static bool limit_memory(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return true; /* their shadow memory is counted in terabytes */
#else
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
	return true;
#endif
#endif
	unsigned long pages = 0;
	FILE *statm = fopen("/proc/self/statm", "r");
	if (statm) {
		if (fscanf(statm, "%lu", &pages) != 1)
			pages = 0;
		fclose(statm);
	}
	rlim_t bytes = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + MEMORY_BYTES_MAX;
	return setrlimit(RLIMIT_AS, &(struct rlimit){bytes, bytes}) == 0;
#endif
}

static _Noreturn void child(const struct job *jobs, struct outcome *outcomes, size_t count, int fd)
{
	sigset_t none;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)sigemptyset(&none);
	(void)signal(SIGXCPU, SIG_DFL);
	(void)signal(SIGABRT, SIG_DFL); /* of a library without memory, which is no bug of ours */
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (!limit_memory() || setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}) < 0)
		_exit(1);
	bool refused = false;
	for (size_t i = 0; i < count; i++) {
		if (jobs[i].kind == JOB_FILTER && refused)
			outcomes[i].state = STATE_REFUSED; /* it holds what was refused alone */
		if (outcomes[i].state == STATE_WAITING && !run_job(&jobs[i], &outcomes[i], fd))
			_exit(1);
		refused = refused || outcomes[i].state == STATE_REFUSED;
	}
	_exit(0);
}

/* ---- the parent ---- */

/* What the death of the child says about the job it was at. Returns false if there was none. */
static bool refuse_running(const struct job *jobs, struct outcome *outcomes, size_t count, int status,
			   unsigned *too_dear)
{
	size_t i = 0;

	while (i < count && outcomes[i].state != STATE_RUNNING)
		i++;
	if (i == count)
		return false;
	bool time = WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU;
	outcomes[i].state = STATE_REFUSED;
	(void)snprintf(outcomes[i].refusal, sizeof outcomes[i].refusal,
		       time ? "it takes more than %d s of processor time to compile"
			    : "it takes more than %d MiB of memory to compile",
		       time ? (jobs[i].kind == JOB_REGEX ? REGEX_CPU_S : WORDS_CPU_S)
			    : MEMORY_BYTES_MAX / 1024 / 1024);
	++*too_dear;
	for (size_t k = 0; *too_dear == TOO_DEAR_MAX && k < count; k++) {
		if (outcomes[k].state != STATE_WAITING)
			continue;
		outcomes[k].state = STATE_REFUSED;
		(void)snprintf(outcomes[k].refusal, sizeof outcomes[k].refusal,
			       "not compiled: %d others were too dear before", TOO_DEAR_MAX);
	}
	return true;
}

static bool any_waiting(const struct outcome *outcomes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (outcomes[i].state == STATE_WAITING)
			return true;
	return false;
}

static int run_children(const struct job *jobs, struct outcome *outcomes, size_t count, int fd,
			struct err *err)
{
	unsigned too_dear = 0;

	while (any_waiting(outcomes, count)) {
		int status = 0;
		fflush(NULL);
		pid_t pid = fork();
		if (pid < 0)
			return err_errno(err, ERR_OS, "rules: no process to compile them");
		if (pid == 0)
			child(jobs, outcomes, count, fd);
		while (waitpid(pid, &status, 0) < 0)
			if (errno != EINTR)
				return err_errno(err, ERR_OS, "rules: lost the process that compiles");
		if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
			continue;
		if (!refuse_running(jobs, outcomes, count, status, &too_dear))
			return err_set(err, ERR_OS, "rules: the process that compiles cannot set its "
						    "limits (setrlimit), or was killed");
	}
	return 0;
}

/* Takes the databases out of the serialised bytes. */
static int take(struct job *jobs, const struct outcome *outcomes, size_t count, const char *bytes,
		struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		struct job *job = &jobs[i];
		const struct outcome *o = &outcomes[i];
		memcpy(job->refusal, o->refusal, sizeof job->refusal);
		job->max_width = o->max_width;
		if (o->state == STATE_DONE &&
		    hs_deserialize_database(bytes + o->offset, o->len, &job->database) != HS_SUCCESS)
			return err_set(err, ERR_OS, "rules: Hyperscan cannot read its own database");
	}
	return 0;
}

static bool all_done(const struct outcome *outcomes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (outcomes[i].state != STATE_DONE)
			return false;
	return true;
}

static int compile_into(struct job *jobs, size_t count, struct outcome *outcomes, int fd,
			struct cache *cache, struct err *err)
{
	if (run_children(jobs, outcomes, count, fd, err) < 0)
		return -1;
	off_t len = lseek(fd, 0, SEEK_END);
	if (len <= 0)
		return take(jobs, outcomes, count, NULL, err);
	char *bytes = mmap(NULL, (size_t)len, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		return err_errno(err, ERR_OS, "rules: no memory for the compiled words");
	int status = take(jobs, outcomes, count, bytes, err);
	if (status == 0 && all_done(outcomes, count)) {
		for (size_t i = 0; i < count; i++)
			cache_add(cache, (struct str){bytes + outcomes[i].offset, outcomes[i].len},
				  outcomes[i].max_width);
		cache_write(cache);
	}
	(void)munmap(bytes, (size_t)len);
	return status;
}

static void drop(struct job *jobs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		hs_free_database(jobs[i].database);
		jobs[i].database = NULL;
	}
}

/* Reads all jobs from the cache. What is not whole there is compiled anew. */
static bool from_cache(struct job *jobs, size_t count, const struct cache *cache)
{
	struct str bytes;

	for (size_t i = 0; i < count; i++) {
		if (cache_get(cache, i, &bytes, &jobs[i].max_width) &&
		    hs_deserialize_database(bytes.data, bytes.len, &jobs[i].database) == HS_SUCCESS)
			continue;
		drop(jobs, count);
		return false;
	}
	return true;
}

static void name_jobs(struct cache *cache, const struct job *jobs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		cache_name(cache, &jobs[i].kind, sizeof jobs[i].kind);
		cache_name(cache, &jobs[i].count, sizeof jobs[i].count);
		for (size_t k = 0; k < jobs[i].count; k++) {
			unsigned flags = flags_of(&jobs[i], k);
			cache_name(cache, &flags, sizeof flags);
			cache_name(cache, &jobs[i].patterns[k].len, sizeof jobs[i].patterns[k].len);
			cache_name(cache, jobs[i].patterns[k].data, jobs[i].patterns[k].len);
		}
	}
}

int database_compile(struct job *jobs, size_t count, const char *cache_dir, struct err *err)
{
	struct cache cache = {0};

	if (count == 0)
		return 0;
	if (cache_dir) {
		cache_init(&cache, cache_dir);
		name_jobs(&cache, jobs, count);
		cache_read(&cache);
		if (from_cache(jobs, count, &cache)) {
			cache_fini(&cache);
			return 0;
		}
	}
	size_t room = count * sizeof(struct outcome);
	struct outcome *outcomes =
		mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd = memfd_create("chatmill-rules", MFD_CLOEXEC), status = -1;
	if (outcomes == MAP_FAILED || fd < 0)
		err_errno(err, ERR_OS, "rules: no memory to compile them");
	else
		status = compile_into(jobs, count, outcomes, fd, &cache, err);
	if (outcomes != MAP_FAILED)
		(void)munmap(outcomes, room);
	if (fd >= 0)
		(void)close(fd);
	if (status < 0)
		drop(jobs, count);
	cache_fini(&cache);
	return status;
}
