/* folder.h - a folder of its own for a test that reads files.
 * SPDX-License-Identifier: Apache-2.0
 *
 * TestSuite(name, .init = folder_make, .fini = folder_remove); Criterion runs each test in a
 * process of its own, so that each has its own folder.
 */
#pragma once

#include <criterion/criterion.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"

static char folder[64];

static inline void folder_make(void)
{
	strcpy(folder, "/tmp/chatmill-test-XXXXXX");
	cr_assert(mkdtemp(folder));
}

static inline void folder_remove(void)
{
	char command[128];
	(void)snprintf(command, sizeof command, "rm -r %s", folder);
	cr_assert_eq(system(command), 0);
}

/* Makes the folders on the way, too. */
static inline void folder_write(const char *name, const char *text)
{
	char path[256];
	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	for (char *slash = path + strlen(folder) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
		*slash = '\0';
		(void)mkdir(path, 0755);
	}
	FILE *file = fopen(path, "w");
	cr_assert(file);
	fputs(text, file);
	fclose(file);
}
