/* err.c - builds error sentences in place. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

int err_set(struct err *err, enum err_kind kind, const char *fmt, ...)
{
	va_list args;

	err->kind = kind;
	va_start(args, fmt);
	(void)vsnprintf(err->text, sizeof err->text, fmt, args); /* a cut sentence is still one */
	va_end(args);
	return -1;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
	char inner[sizeof err->text];
	va_list args;

	memcpy(inner, err->text, sizeof inner);
	va_start(args, fmt);
	int len = vsnprintf(err->text, sizeof err->text, fmt, args);
	va_end(args);
	if (len >= 0 && (size_t)len < sizeof err->text - 2) {
		memcpy(err->text + len, ": ", 3);
		size_t room = sizeof err->text - (size_t)len - 3;
		memcpy(err->text + len + 2, inner, room);
		err->text[sizeof err->text - 1] = '\0'; /* a cut sentence is still one */
	}
	return -1;
}

/* The host lacks it now and may have it later; EROFS and EIO: a disk that is being mended. */
static bool is_passing(int number)
{
	return number == ENOSPC || number == EDQUOT || number == EROFS || number == EIO ||
	       number == EMFILE || number == ENFILE || number == ENOMEM;
}

int err_errno(struct err *err, enum err_kind kind, const char *fmt, ...)
{
	int number = errno;
	bool denied = (number == EACCES || number == EPERM) &&
		      (kind == ERR_NOINPUT || kind == ERR_CONFIG);
	va_list args;

	err->kind = denied ? ERR_PERMISSION : is_passing(number) ? ERR_OS : kind;
	va_start(args, fmt);
	int len = vsnprintf(err->text, sizeof err->text, fmt, args);
	va_end(args);
	if (len >= 0 && (size_t)len < sizeof err->text)
		(void)snprintf(err->text + len, sizeof err->text - (size_t)len, ": %s",
			       strerror(number));
	return -1;
}
