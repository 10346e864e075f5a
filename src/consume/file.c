/* file.c - cuts blocks of a file into lines. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "consume/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/heap.h"
#include "base/zstd.h"

/* The block has MARGIN readable bytes before its first and after its last byte: texts are
 * searched in place (model.h). What is left of a line that is not whole yet moves to the front of
 * the next block. Small blocks, with what is made of their messages, stay in the processor's second
 * cache: with 1 MiB instead of 64 KiB scan takes a third more CPU. */
enum { BLOCK_BYTES = 64 * 1024, INPUT_BYTES = 64 * 1024, MARGIN = 64 };
/* What is longer is no record for anybody: its beginning is handed out, which is too_big by itself, and
 * the rest is passed over, so that a file of one endless line takes no more memory than this. */
enum { LINE_BYTES_MAX = RECORD_BYTES_LIMIT + 1 };

struct file_source {
	char *name;
	int fd;
	uint64_t read_bytes, size_bytes;
	bool ended, live; /* live: a pipe or the like, which may bring nothing for long */
	bool passing; /* over the rest of a line that is too long */

	char *input; /* compressed bytes; NULL until the first block shows what the file is */
	struct str pending;
	struct zstd_reader *zstd; /* NULL: plain */
	bool looked;

	char *block;	     /* cap + 2 * MARGIN bytes */
	size_t cap, len;     /* len: bytes of the block that are filled */
	size_t at, lines_end; /* next line; end of the last whole line */
	int64_t line;
};

int file_sources_check(const char *const *paths, int count, struct err *err)
{
	for (int i = 0; i < count; i++)
		if (strcmp(paths[i], "-") != 0 && access(paths[i], R_OK) != 0)
			return err_errno(err, ERR_NOINPUT, "%s cannot be opened", paths[i]);
	return 0;
}

int file_source_open(struct file_source **out, const char *path, struct err *err)
{
	OWNED(file_source) *f = calloc(1, sizeof *f);
	struct stat stat;

	if (!f || !(f->name = strdup(path)) || !(f->input = malloc(INPUT_BYTES)) ||
	    !(f->block = calloc(1, BLOCK_BYTES + 2 * MARGIN)))
		return err_set(err, ERR_OS, "%s: out of memory", path);
	f->cap = BLOCK_BYTES;
	f->fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
	if (f->fd < 0)
		return err_errno(err, ERR_NOINPUT, "%s cannot be opened", path);
	f->live = fstat(f->fd, &stat) < 0 || !S_ISREG(stat.st_mode);
	if (!f->live)
		f->size_bytes = (uint64_t)stat.st_size;
	else if (S_ISDIR(stat.st_mode))
		return err_set(err, ERR_NOINPUT, "%s is a folder; name the files in it", path);
	*out = TAKE(f);
	return 0;
}

void file_source_free(struct file_source *f)
{
	if (!f)
		return;
	if (f->fd > STDIN_FILENO)
		(void)close(f->fd); /* only read */
	zstd_reader_free(f->zstd);
	free(f->input);
	free(f->block);
	free(f->name);
	free(f);
}

/* Reads up to `room` bytes; 0 at the end of the file. */
static int64_t read_bytes(struct file_source *f, char *to, size_t room, struct err *err)
{
	ssize_t got;

	do
		got = read(f->fd, to, room);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return err_errno(err, ERR_NOINPUT, "%s cannot be read", f->name);
	f->read_bytes += (uint64_t)got;
	return got;
}

/* The first time, at least as much as tells what the file is: a pipe brings what it has. */
static int read_input(struct file_source *f, struct err *err)
{
	size_t least = f->looked ? 1 : ZSTD_LOOK_BYTES, len = 0;
	int64_t got = 1;

	for (; len < least && got > 0; len += (size_t)got)
		if ((got = read_bytes(f, f->input + len, INPUT_BYTES - len, err)) < 0)
			return -1;
	f->pending = (struct str){f->input, len};
	if (!f->looked && zstd_is_frame(f->pending) && zstd_reader_new(&f->zstd, err) < 0)
		return -1;
	f->looked = true;
	return 0;
}

/* Puts more bytes behind the block; sets `ended` at the end of the file. */
static int append(struct file_source *f, struct err *err)
{
	char *to = f->block + MARGIN + f->len;
	size_t room = f->cap - f->len;

	if (f->looked && !f->zstd && !f->pending.len) { /* plain text needs no other place */
		int64_t got = read_bytes(f, to, room, err);
		if (got < 0)
			return -1;
		f->ended = got == 0;
		f->len += (size_t)got;
		return 0;
	}
	if (!f->pending.len && read_input(f, err) < 0)
		return -1;
	if (!f->pending.len && (!f->zstd || zstd_reader_at_end(f->zstd))) {
		f->ended = true;
		return 0;
	}
	if (!f->zstd) {
		size_t take = MIN(room, f->pending.len);
		memcpy(to, f->pending.data, take);
		f->pending = str_from(f->pending, take);
		f->len += take;
		return 0;
	}
	size_t before = f->pending.len;
	int64_t got = zstd_read(f->zstd, &f->pending, to, room, err);
	if (got < 0)
		return err_wrap(err, "%s", f->name);
	if (got == 0 && before == 0)
		return err_set(err, ERR_DATA,
			       "%s: the compressed data is cut: the file is not whole", f->name);
	f->len += (size_t)got;
	return 0;
}

static int make_room(struct file_source *f, struct err *err)
{
	size_t cap = MIN(f->cap * 2, (size_t)LINE_BYTES_MAX);
	char *block = realloc(f->block, cap + 2 * MARGIN);

	if (!block)
		return err_set(err, ERR_OS, "%s:%lld: out of memory for a line of over %zu bytes",
			       f->name, (long long)f->line + 1, f->cap);
	f->block = block;
	f->cap = cap;
	return 0;
}

/* Drops what is left of a line whose beginning was handed out. */
static void pass(struct file_source *f)
{
	char *start = f->block + MARGIN, *newline = memchr(start, '\n', f->len);
	size_t gone = newline ? (size_t)(newline - start) + 1 : f->len;

	f->passing = !newline;
	f->len -= gone;
	memmove(start, start + gone, f->len);
}

bool file_source_waits(const struct file_source *f)
{
	struct pollfd poll_fd = {.fd = f->fd, .events = POLLIN};

	return f->live && !f->pending.len && !f->ended && poll(&poll_fd, 1, 0) == 0;
}

int file_source_fill(struct file_source *f, struct err *err)
{
	/* A cut or broken file gives all its whole lines first, then the error. */
	if (f->lines_end) {
		memmove(f->block + MARGIN, f->block + MARGIN + f->lines_end, f->len - f->lines_end);
		f->len -= f->lines_end;
	}
	size_t searched = 0;
	f->at = f->lines_end = 0;
	while (!f->lines_end) {
		if (f->ended) {
			f->lines_end = f->len;
			break;
		}
		if (f->len == f->cap && f->cap >= LINE_BYTES_MAX) {
			f->passing = true;
			f->lines_end = f->len;
			break;
		}
		if (f->len == f->cap && make_room(f, err) < 0)
			return -1;
		while (!f->ended && f->len < f->cap) {
			if (append(f, err) < 0) {
				if (!memrchr(f->block + MARGIN, '\n', f->len))
					return -1;
				break; /* the next fill meets the error again */
			}
			/* Whole lines do not wait for lines that are not written yet. */
			if (f->live && file_source_waits(f) && memrchr(f->block + MARGIN, '\n', f->len))
				break;
		}
		if (UNLIKELY(f->passing)) {
			pass(f);
			continue;
		}
		const char *newline =
			memrchr(f->block + MARGIN + searched, '\n', f->len - searched);
		if (newline)
			f->lines_end = (size_t)(newline - f->block - MARGIN) + 1;
		searched = f->len;
	}
	memset(f->block + MARGIN + f->len, 0, MARGIN);
	return f->lines_end > 0;
}

void file_source_swap(struct file_source *f, char **block, size_t *bytes)
{
	char *given = f->block, *taken = *block;
	size_t given_bytes = f->cap + 2 * MARGIN, rest = f->len - f->at;

	if (*bytes < given_bytes) {
		free(taken);
		taken = heap_grown(NULL, given_bytes);
		memset(taken, 0, MARGIN);
	} else {
		f->cap = *bytes - 2 * MARGIN;
	}
	memcpy(taken + MARGIN, given + MARGIN + f->at, rest + MARGIN);
	f->block = taken;
	f->len = rest;
	f->lines_end -= f->at;
	f->at = 0;
	*block = given;
	*bytes = given_bytes;
}

/* Nothing but blanks, which no tool for NDJSON takes for a record. */
static bool is_blank(const char *line, size_t len)
{
	while (len && (line[len - 1] == ' ' || line[len - 1] == '\t'))
		len--;
	return len == 0;
}

bool file_source_next(struct file_source *f, struct record *out)
{
	while (f->at < f->lines_end) {
		const char *line = f->block + MARGIN + f->at;
		const char *newline = memchr(line, '\n', f->lines_end - f->at);
		size_t len = newline ? (size_t)(newline - line) : f->lines_end - f->at;

		f->at += len + (newline != NULL);
		f->line++;
		if (len && line[len - 1] == '\r')
			len--;
		if (is_blank(line, len))
			continue;
		*out = (struct record){
			.value = {line, len},
			.time_ms = 1,
			.time_inherited = true,
			.offset = f->line,
			.partition = -1,
		};
		return true;
	}
	return false;
}

const char *file_source_name(const struct file_source *f)
{
	return f->name;
}

void file_source_progress(const struct file_source *f, uint64_t *done, uint64_t *size)
{
	*done = f->read_bytes;
	*size = f->size_bytes;
}
