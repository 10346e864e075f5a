/* version.c - the program's version and those of the libraries it runs with. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/version.h"

#include "version_number.h"

void version_print(FILE *out)
{
	fprintf(out, "chatmill %s\n", CHATMILL_VERSION);
}
