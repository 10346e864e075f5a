/* cache.c - reads and writes the files of compiled databases. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "match/cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <hs.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/hash.h"
#include "match/match.h"

static const char magic[] = "chatmill-hs-1\n";

enum { MAGIC_LEN = sizeof magic - 1, HEADER_LEN = MAGIC_LEN + 16, PATH_BYTES_MAX = 4096 };
#define BESIDE ".XXXXXX" /* behind the name while it is written: mkostemp() */
enum { NAME_LEN = 64, UNREAD_DAYS = 30 }; /* of a file: hexadecimal, then .hs */

void cache_init(struct cache *c, const char *dir)
{
	hs_platform_info_t platform = {0};

	*c = (struct cache){.dir = str_of(dir)};
	(void)hs_populate_platform(&platform);
	buf_put(&c->name, str_of(hs_version()));
	cache_name(c, &platform.tune, sizeof platform.tune);
	cache_name(c, &platform.cpu_features, sizeof platform.cpu_features);
}

void cache_fini(struct cache *c)
{
	if (c->read)
		(void)munmap(c->read, c->read_len);
	buf_fini(&c->name);
	buf_fini(&c->parts);
	buf_fini(&c->lengths);
}

void cache_name(struct cache *c, const void *data, size_t len)
{
	if (c->dir.data)
		buf_put(&c->name, (struct str){data, len});
}

/* False when the path is too long. */
static bool path_of(const struct cache *c, const char *suffix, char path[PATH_BYTES_MAX])
{
	char name[DIGEST_TEXT_LEN];

	digest_text(buf_str(&c->name), name);
	int len = snprintf(path, PATH_BYTES_MAX, "%.*s/%.64s.hs%s", STR_ARG(c->dir), name + 7, suffix);
	return len > 0 && len < PATH_BYTES_MAX;
}

static uint64_t number_at(const char *at)
{
	uint64_t number;
	memcpy(&number, at, sizeof number);
	return number;
}

static bool is_whole(const char *data, size_t len)
{
	if (len < HEADER_LEN || memcmp(data, magic, MAGIC_LEN) != 0)
		return false;
	if (number_at(data + MAGIC_LEN) !=
	    hash_64((struct str){data + MAGIC_LEN + 8, len - MAGIC_LEN - 8}))
		return false;
	return number_at(data + MAGIC_LEN + 8) <= (len - HEADER_LEN) / 16;
}

void cache_read(struct cache *c)
{
	char path[PATH_BYTES_MAX];
	struct stat st;

	if (!c->dir.data || !path_of(c, "", path))
		return;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return;
	/* A file that somebody else can write is not ours to trust. */
	bool ours = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
		    !(st.st_mode & 022) && st.st_size > 0;
	char *data = ours ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
	if (ours)
		(void)futimens(fd, NULL); /* it was read; see drop_unread() */
	(void)close(fd);
	if (data == MAP_FAILED)
		return;
	if (!is_whole(data, (size_t)st.st_size)) {
		(void)munmap(data, (size_t)st.st_size);
		return;
	}
	c->read = data;
	c->read_len = (size_t)st.st_size;
}

bool cache_get(const struct cache *c, size_t i, struct str *bytes, unsigned *max_width)
{
	if (!c->read)
		return false;
	size_t count = (size_t)number_at(c->read + MAGIC_LEN + 8);
	size_t at = HEADER_LEN + count * 16;
	if (i >= count)
		return false;
	for (size_t k = 0; k <= i; k++) {
		uint64_t len = number_at(c->read + HEADER_LEN + k * 16);
		if (len > c->read_len - at)
			return false;
		*bytes = (struct str){c->read + at, (size_t)len};
		at += (size_t)len;
	}
	*max_width = (unsigned)number_at(c->read + HEADER_LEN + i * 16 + 8);
	return true;
}

void cache_add(struct cache *c, struct str bytes, unsigned max_width)
{
	uint64_t numbers[2] = {bytes.len, max_width};

	if (!c->dir.data)
		return;
	buf_put(&c->lengths, (struct str){(char *)numbers, sizeof numbers});
	buf_put(&c->parts, bytes);
}

static bool write_file(const struct cache *c, int fd)
{
	struct buf file = {0};
	uint64_t count = c->lengths.len / 16;

	buf_put(&file, (struct str){magic, MAGIC_LEN});
	buf_put(&file, (struct str){"\0\0\0\0\0\0\0", 8});
	buf_put(&file, (struct str){(char *)&count, sizeof count});
	buf_put(&file, buf_str(&c->lengths));
	buf_put(&file, buf_str(&c->parts));
	uint64_t hash =
		hash_64((struct str){file.data + MAGIC_LEN + 8, file.len - MAGIC_LEN - 8});
	memcpy(file.data + MAGIC_LEN, &hash, sizeof hash);
	size_t done = 0;
	while (done < file.len) {
		ssize_t more = write(fd, file.data + done, file.len - done);
		if (more <= 0)
			break;
		done += (size_t)more;
	}
	bool good = done == file.len && fsync(fd) == 0;
	buf_fini(&file);
	return good;
}

/* Of a file, or of what a process left behind that was killed while it wrote one. */
static bool is_name(const char *name)
{
	if (strspn(name, "0123456789abcdef") != NAME_LEN || strncmp(name + NAME_LEN, ".hs", 3) != 0)
		return false;
	const char *rest = name + NAME_LEN + 3;
	return !*rest || (*rest == '.' && strlen(rest) == sizeof BESIDE - 1);
}

/* Rules that were changed leave a file behind, and so do an upgrade and another processor. */
static void drop_unread(const char *path)
{
	DIR *dir = opendir(path);
	struct stat st;

	if (!dir)
		return;
	for (struct dirent *e; (e = readdir(dir));)
		if (is_name(e->d_name) && fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode) && st.st_mtime < clock_wall_ms() / 1000 - UNREAD_DAYS * 86400)
			(void)unlinkat(dirfd(dir), e->d_name, 0);
	(void)closedir(dir);
}

void cache_write(struct cache *c)
{
	char path[PATH_BYTES_MAX], beside[PATH_BYTES_MAX];

	if (!c->dir.data || !path_of(c, "", path) || !path_of(c, BESIDE, beside))
		return;
	(void)mkdir(c->dir.data, 0700); /* it is NUL-terminated: cache_init() */
	drop_unread(c->dir.data);
	int fd = mkostemp(beside, O_CLOEXEC);
	if (fd < 0)
		return;
	bool good = write_file(c, fd);
	(void)close(fd);
	if (!good || rename(beside, path) < 0)
		(void)unlink(beside);
}

const char *match_library_version(void)
{
	return hs_version();
}
