/* version.h - what `chatmill version` and --version of every command print.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Thread: any.
 */
#pragma once

#include <stdio.h>

void version_print(FILE *out);
