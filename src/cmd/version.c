/* version.c - `chatmill version`: the program's version and those of the libraries it runs with. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/version.h"

#include "base/digest.h"
#include "base/yaml.h"
#include "base/zstd.h"
#include "cmd/commands.h"
#include "decode/json_index.h"
#include "http.h"
#include "kafka/settings.h"
#include "match/match.h"
#include "store/pg.h"
#include "version_number.h"

void version_print(FILE *out)
{
	int pq = pg_library_version();

	fprintf(out, "chatmill %s\n", CHATMILL_VERSION);
	fprintf(out, "librdkafka %s\n", kafka_library_version());
	fprintf(out, "hyperscan %s\n", match_library_version());
	fprintf(out, "simdjson %s\n", json_library_version());
	fprintf(out, "libpq %d.%d\n", pq / 10000, pq % 10000);
	fprintf(out, "libmicrohttpd %s\n", http_library_version());
	fprintf(out, "libcrypto %s\n", digest_library_version());
	fprintf(out, "libyaml %s\n", yaml_library_version());
	fprintf(out, "zstd %s\n", zstd_library_version());
}

static int version(const void *given, const char *const *arguments, int count, struct err *err)
{
	version_print(stdout);
	return 0;
}

const struct command cmd_version = {
	.words = "version",
	.arguments = "",
	.summary = "this program's version and those of its libraries",
	.help = "Prints a name and a version a line, as --version of every command does.\n"
		"\n"
		"example:\n"
		"  chatmill version",
	.run = version,
};
