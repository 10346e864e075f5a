/* slot.c - locks the first free file. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "slot.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"

enum { SLOTS_MAX = 1000 };

int slot_take(const char *dir, const char *pipeline, const char *kind, int *number, struct err *err)
{
	char path[640];

	if (file_make_dir(dir, err) < 0)
		return err_wrap(err, "state.dir");
	for (*number = 0; *number < SLOTS_MAX; (*number)++) {
		(void)snprintf(path, sizeof path, "%s/%s.%s-%d", dir, pipeline, kind, *number);
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0)
			return err_errno(err, ERR_CONFIG, "state.dir: %s cannot be opened", path);
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return fd;
		close(fd);
	}
	return err_set(err, ERR_CONFIG, "state.dir: all %d slots are taken", SLOTS_MAX);
}
