/* file.c - reads a whole file; makes folders. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/buf.h"

int file_read(struct arena *arena, const char *path, size_t bytes_max, struct str *out,
	      struct err *err)
{
	FILE *file = fopen(path, "re");
	struct buf all = {0};
	size_t got;
	int status = 0;

	if (!file)
		return err_errno(err, ERR_NOINPUT, "%s cannot be opened", path);
	do {
		got = fread(buf_room(&all, 65536), 1, 65536, file);
		all.len += got;
	} while (got && all.len <= bytes_max);
	if (ferror(file))
		status = err_errno(err, ERR_NOINPUT, "%s cannot be read", path);
	else if (all.len > bytes_max)
		status = err_set(err, ERR_DATA, "%s is larger than %zu bytes", path, bytes_max);
	else
		*out = arena_copy(arena, buf_str(&all));
	(void)fclose(file); /* only read */
	buf_fini(&all);
	return status;
}

int file_make_dir(const char *path, struct err *err)
{
	char part[512];

	for (const char *slash = path; slash;) {
		slash = strchr(slash + 1, '/');
		(void)snprintf(part, sizeof part, "%.*s",
			       slash ? (int)(slash - path) : (int)strlen(path), path);
		if (mkdir(part, 0700) < 0 && errno != EEXIST)
			return err_errno(err, ERR_CONFIG, "the folder %s cannot be made", part);
	}
	return 0;
}
