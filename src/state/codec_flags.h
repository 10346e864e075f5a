/* codec_flags.h - the bits of a subject's flags, for who writes and who reads them.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Private to codec_put.c and codec_get.c; codec.h tells what they mean.
 *
 * Thread: as codec.h.
 */
#pragma once

enum {
	FLAG_CUSTOMER = 1,
	FLAG_DISAGREED = 2,
	FLAG_CONSENT = 4,
	FLAG_ERASED = 8,
	FLAG_AWAITS = 16,
	FLAGS_ALL = 31,
};
