/* main.c - B2: the decode stage against simdjson alone, memchr, jansson and yajl, in one run. */
/* SPDX-License-Identifier: Apache-2.0 */

/*	decode_b2 [ROUNDS]
 *
 * Prints for each shape of message and each peer a line of JSON: {"shape": …, "bytes": of a line,
 * "peer": …, "differs": whether it reads something else than simdjson on demand, which gives it no
 * figure, "ns": CPU time of a line in each round}. Peers take turns. */
#include "peers.h"

#include <time.h>

#include "base/buf.h"

enum { ROUNDS_MAX = 64, ROUND_BYTES = 6 * 1000 * 1000 };

/* Sentences of our own, as customers write them. */
static const char *const sentences[] = {
	"这个套餐多少钱？", "可以开发票吗", "我想先试用一下，看看效果再决定", "报价单发我一份吧",
	"请问什么时候能发货", "好的，谢谢", "还能再便宜一点吗？", "我们公司大概有两百人",
	"合同已经收到了，明天回复您", "售后电话是多少",
};

struct shape {
	const char *name;
	size_t bytes;	/* of a line, about */
	size_t members; /* in tolist */
	size_t items;	/* of a chatrecord; 0: a text */
	bool escaped;	/* \uXXXX instead of UTF-8 */
};

static uint32_t random_state = 1;
static uint32_t random_next(uint32_t below)
{
	random_state = random_state * 1664525u + 1013904223u; /* Numerical Recipes */
	return (random_state >> 8) % below;
}

static void put_sentence(struct buf *b, const char *s, bool escaped)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		if (!escaped || c < 0x80) {
			buf_putc(b, *s);
			continue;
		}
		buf_printf(b, "\\u%04x", (c & 15) << 12 | (s[1] & 63) << 6 | (s[2] & 63));
		s += 2;
	}
}

static void put_line(struct buf *b, const struct shape *shape, unsigned n)
{
	size_t start = b->len;

	buf_printf(b, "{\"corpid\":\"ww1\",\"seq\":%u,\"msgid\":\"m%u_1700000000_external\","
		      "\"publickey_ver\":1,\"recv_ts\":17000%08u,\"message\":{\"msgid\":"
		      "\"m%u_1700000000_external\",\"action\":\"send\",\"from\":"
		      "\"wmCUSTOMER%022u\",\"tolist\":[",
		   n, n, n, n, random_next(1000));
	for (size_t i = 0; i < shape->members; i++)
		buf_printf(b, "%s\"%s%u\"", i ? "," : "", i % 2 ? "zhang" : "wmCUSTOMER000000000000000",
			   1000000 + random_next(1000000));
	buf_printf(b, "],\"roomid\":\"%s\",\"msgtime\":17000%08u,\"msgtype\":",
		   shape->members > 1 ? "wrROOM01" : "", n);
	if (shape->items == 0) {
		buf_put(b, STR("\"text\",\"text\":{\"content\":\""));
		do
			put_sentence(b, sentences[random_next(ARRAY_LEN(sentences))], shape->escaped);
		while (b->len - start + 20 < shape->bytes);
		buf_put(b, STR("\"}"));
	} else {
		buf_put(b, STR("\"chatrecord\",\"chatrecord\":{\"title\":\"群聊\",\"item\":["));
		for (size_t i = 0; i < shape->items; i++) {
			buf_printf(b, "%s{\"type\":\"ChatRecordText\",\"msgtime\":1700000000,"
				      "\"content\":\"{\\\"content\\\":\\\"", i ? "," : "");
			put_sentence(b, sentences[random_next(ARRAY_LEN(sentences))], false);
			buf_put(b, STR("\\\"}\",\"from_chatroom\":true}"));
		}
		buf_put(b, STR("]}"));
	}
	buf_put(b, STR("}}"));
}

static double cpu_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static const struct peer {
	const char *name;
	uint64_t (*run)(const struct line *lines, size_t count);
	bool reads;
} peers[] = {
	{"simdjson on demand", peer_ondemand, true}, {"chatmill decode()", peer_chatmill, true},
	{"memchr", peer_memchr, false},		     {"simdjson DOM", peer_dom, true},
	{"jansson", peer_jansson, true},	     {"yajl", peer_yajl, true},
};

static void measure(const struct shape *shape, int rounds)
{
	struct buf b = {0};
	size_t count = 0, cap = 100000;
	struct line *lines = calloc(cap, sizeof *lines);
	double s[ARRAY_LEN(peers)][ROUNDS_MAX];
	uint64_t sums[ARRAY_LEN(peers)];

	while (b.len < ROUND_BYTES && count < cap) {
		lines[count].data = (const char *)b.len; /* an offset until the buffer stands still */
		put_line(&b, shape, (unsigned)count);
		lines[count].len = b.len - (size_t)lines[count].data;
		count++;
	}
	memset(buf_room(&b, 64), 0, 64);
	for (size_t i = 0; i < count; i++)
		lines[i].data = b.data + (size_t)lines[i].data;

	for (int r = 0; r < rounds; r++)
		for (size_t p = 0; p < ARRAY_LEN(peers); p++) {
			double start = cpu_s();
			sums[p] = peers[p].run(lines, count);
			s[p][r] = cpu_s() - start;
		}

	for (size_t p = 0; p < ARRAY_LEN(peers); p++) {
		/* A chatrecord's texts are inside strings: only chatmill looks there. */
		bool differs = peers[p].reads && shape->items == 0 && sums[p] != sums[0];
		printf("{\"shape\": \"%s\", \"bytes\": %.0f, \"peer\": \"%s\", \"differs\": %s, "
		       "\"ns\": [",
		       shape->name, (double)b.len / (double)count, peers[p].name,
		       differs ? "true" : "false");
		for (int r = 0; r < rounds; r++)
			printf("%s%.1f", r ? ", " : "", s[p][r] * 1e9 / (double)count);
		printf("]}\n");
	}
	free(lines);
	buf_fini(&b);
}

int main(int argc, char **argv)
{
	static const struct shape shapes[] = {
		{"text, 300 bytes", 300, 1, 0, false},	   {"text, 300 bytes, escaped", 300, 1, 0, true},
		{"text, 600 bytes", 600, 1, 0, false},	   {"text, 2000 bytes", 2000, 1, 0, false},
		{"text, 2000 bytes, escaped", 2000, 1, 0, true},
		{"group of 500", 300, 500, 0, false},	   {"chatrecord of 200", 300, 1, 200, false},
	};

	int rounds = argc > 1 ? atoi(argv[1]) : 9;

	printf("{\"simdjson\": \"%s\"}\n", peer_simdjson_name());
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++)
		measure(&shapes[i], MIN(MAX(rounds, 1), ROUNDS_MAX));
	return 0;
}
