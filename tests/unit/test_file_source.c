/* test_file_source.c - lines of files, plain and compressed, whole and cut. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <unistd.h>

#include "base/zstd.h"
#include "random.h"
#include "consume/file.h"

static void write_file(char *path, struct str data)
{
	strcpy(path, "/tmp/chatmill-test-XXXXXX");
	int fd = mkstemp(path);
	cr_assert_geq(fd, 0);
	for (size_t at = 0; at < data.len;) {
		ssize_t put = write(fd, data.data + at, data.len - at);
		cr_assert_gt(put, 0);
		at += (size_t)put;
	}
	close(fd);
}

/* Reads all of `path`: lines joined by '|' with their numbers, and how it ended. */
static int read_all(const char *path, struct buf *out, struct err *err)
{
	OWNED(file_source) *source = NULL;
	struct record record;
	int got;

	cr_assert_eq(file_source_open(&source, path, err), 0);
	while ((got = file_source_fill(source, err)) > 0)
		while (file_source_next(source, &record)) {
			buf_printf(out, "%lld:", (long long)record.offset);
			buf_put(out, record.value);
			buf_putc(out, '|');
		}
	return got;
}

/* The same, with each block given away twice, half and wholly cut; what is read of them is told when
 * all of the file went by. */
static int read_swapped(const char *path, struct buf *out, struct err *err)
{
	enum { BLOCKS = 1000, RECORDS = 1000 };
	OWNED(file_source) *source = NULL;
	static struct record records[RECORDS];
	char *blocks[BLOCKS] = {0};
	size_t count = 0, block = 0;
	int got;

	cr_assert_eq(file_source_open(&source, path, err), 0);
	while ((got = file_source_fill(source, err)) > 0)
		for (int half = 0; half < 2; half++) {
			for (int i = 0; (half || i < 3) && file_source_next(source, &records[count]); i++)
				cr_assert_lt(++count, RECORDS);
			/* Memory that is too small, none, or enough. */
			size_t bytes = (const size_t[]){100, 0, 200000}[block % 3];
			blocks[block] = bytes ? calloc(1, bytes) : NULL;
			file_source_swap(source, &blocks[block], &bytes);
			block++;
			cr_assert_lt(block, BLOCKS);
		}
	for (size_t i = 0; i < count; i++) {
		buf_printf(out, "%lld:", (long long)records[i].offset);
		buf_put(out, records[i].value);
		buf_putc(out, '|');
	}
	for (size_t i = 0; i < block; i++)
		free(blocks[i]);
	return got;
}

Test(file_source, lines_of_every_kind)
{
	static const char *const rows[][2] = {
		{"", ""},
		{"\n\n", ""},
		{"a", "1:a|"},
		{"a\nb\n", "1:a|2:b|"},
		{"a\r\n\r\nb", "1:a|3:b|"},
		{"\n\nc\n", "3:c|"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (int packed = 0; packed < 2; packed++) {
			char path[64];
			struct buf data = {0}, got = {0};
			struct err err;
			if (packed)
				zstd_compress(&data, str_of(rows[i][0]), 1);
			else
				buf_put(&data, str_of(rows[i][0]));
			write_file(path, buf_str(&data));
			cr_expect_eq(read_all(path, &got, &err), 0);
			cr_expect(str_eq(buf_str(&got), str_of(rows[i][1])), "row %zu", i);
			buf_clear(&got);
			cr_expect_eq(read_swapped(path, &got, &err), 0);
			cr_expect(str_eq(buf_str(&got), str_of(rows[i][1])), "row %zu, swapped", i);
			unlink(path);
			buf_fini(&data);
			buf_fini(&got);
		}
}

Test(file_source, long_lines_and_many_blocks)
{
	struct buf data = {0}, want = {0};
	struct err err;

	for (int line = 1; line <= 400; line++) {
		size_t len = line == 200 ? 5000000 : (size_t)line * 37;
		buf_printf(&want, "%d:", line);
		for (size_t i = 0; i < len; i++) {
			buf_putc(&data, (char)('a' + (i + (size_t)line) % 26));
			buf_putc(&want, (char)('a' + (i + (size_t)line) % 26));
		}
		buf_putc(&data, '\n');
		buf_putc(&want, '|');
	}
	for (int packed = 0; packed < 2; packed++) {
		char path[64];
		struct buf file = {0}, got = {0};
		if (packed)
			zstd_compress(&file, buf_str(&data), 1);
		else
			buf_put(&file, buf_str(&data));
		write_file(path, buf_str(&file));
		cr_expect_eq(read_all(path, &got, &err), 0);
		cr_expect(str_eq(buf_str(&got), buf_str(&want)), "packed %d", packed);
		buf_clear(&got);
		cr_expect_eq(read_swapped(path, &got, &err), 0);
		cr_expect(str_eq(buf_str(&got), buf_str(&want)), "packed %d, swapped", packed);
		unlink(path);
		buf_fini(&file);
		buf_fini(&got);
	}
	buf_fini(&data);
	buf_fini(&want);
}

/* A few KB of zstd can be a line without end. */
Test(file_source, an_endless_line_is_cut_and_the_next_one_is_whole)
{
	struct buf text = {0}, file = {0};

	buf_put(&text, STR("a\n"));
	for (size_t i = 0; i < (size_t)RECORD_BYTES_LIMIT * 2 + 100; i += 4)
		buf_put(&text, STR("long"));
	buf_put(&text, STR("\nb\n"));
	zstd_compress(&file, buf_str(&text), 1);
	for (int packed = 0; packed < 2; packed++) {
		char path[64];
		struct buf got = {0}, want = {0};
		struct err err;
		write_file(path, buf_str(packed ? &file : &text));
		buf_put(&want, STR("1:a|2:"));
		buf_put(&want, (struct str){text.data + 2, RECORD_BYTES_LIMIT + 1});
		buf_put(&want, STR("|3:b|"));
		cr_expect_eq(read_all(path, &got, &err), 0);
		cr_expect(str_eq(buf_str(&got), buf_str(&want)), "packed %d", packed);
		buf_clear(&got);
		cr_expect_eq(read_swapped(path, &got, &err), 0);
		cr_expect(str_eq(buf_str(&got), buf_str(&want)), "packed %d, swapped", packed);
		unlink(path);
		buf_fini(&got);
		buf_fini(&want);
	}
	buf_fini(&text);
	buf_fini(&file);
}

Test(file_source, frames_before_garbage_give_their_lines)
{
	static const char *const ends[] = {"garbage!", "\x28\xb5\x2f\xfd garbage!"};

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		struct buf file = {0}, got = {0};
		struct err err = {0};
		char path[64];
		zstd_compress(&file, STR("a\nb\n"), 1);
		zstd_compress(&file, STR("c\nd"), 1);
		buf_put(&file, str_of(ends[i]));
		write_file(path, buf_str(&file));
		cr_expect_eq(read_all(path, &got, &err), -1);
		cr_expect(str_eq(buf_str(&got), STR("1:a|2:b|3:c|")), "%zu: %.*s", i, STR_ARG(buf_str(&got)));
		cr_expect_eq(err.kind, ERR_DATA);
		cr_expect(strstr(err.text, i ? "broken" : "no zstd"), "%s", err.text);
		unlink(path);
		buf_fini(&file);
		buf_fini(&got);
	}
}

/* Blocks of zstd hold at most 128 KiB (RFC 8878 section 3.1.1.2); hexadecimal digits of chance are packed
 * evenly. */
Test(file_source, a_broken_byte_costs_no_line_before_its_block)
{
	struct buf text = {0}, want = {0}, file = {0};
	enum { BLOCK = 128 << 10, LINES = 100000, LINE = 17 };

	for (int i = 0; i < LINES; i++) {
		unsigned long long line = next_random(UINT64_MAX);
		buf_printf(&text, "%016llx\n", line);
		buf_printf(&want, "%d:%016llx|", i + 1, line);
	}
	zstd_compress(&file, buf_str(&text), 1);
	for (size_t at = 100; at < file.len; at += file.len / 23) {
		struct buf got = {0};
		struct err err = {0};
		char path[64];
		file.data[at] = (char)~file.data[at];
		write_file(path, buf_str(&file));
		file.data[at] = (char)~file.data[at];
		cr_expect_eq(read_all(path, &got, &err), -1);
		size_t lines = 0, place = (size_t)((double)at / (double)file.len * (double)text.len);
		size_t good = place > 1000 ? (place - 1000) / BLOCK * BLOCK : 0;
		for (size_t i = 0; i < got.len; i++)
			lines += got.data[i] == '|';
		cr_expect_geq((lines + 1) * LINE, good, "byte %zu: %zu lines", at, lines);
		/* The block itself may have given something wrong. */
		cr_expect_eq(memcmp(got.data, want.data, MIN(good, got.len)), 0, "byte %zu", at);
		unlink(path);
		buf_fini(&got);
	}
	buf_fini(&text);
	buf_fini(&want);
	buf_fini(&file);
}

Test(file_source, a_cut_file_gives_its_whole_lines_then_the_error)
{
	struct buf text = {0}, file = {0}, got = {0};
	struct err err = {0};
	char path[64];

	for (int i = 0; i < 200000; i++)
		buf_printf(&text, "line %d %d\n", i, i * 7919 % 10007);
	zstd_compress(&file, buf_str(&text), 1);
	write_file(path, (struct str){file.data, file.len - 1000});
	cr_expect_eq(read_all(path, &got, &err), -1);
	cr_expect_eq(err.kind, ERR_DATA);
	cr_expect(strstr(err.text, "cut"), "%s", err.text);
	cr_expect_gt(got.len, text.len / 2);
	unlink(path);
	write_file(path, STR("\x28\xb5\x2f\xfd garbage that is no frame"));
	cr_expect_eq(read_all(path, &got, &err), -1);
	unlink(path);
	struct file_source *none;
	cr_expect_eq(file_source_open(&none, "/nowhere/at/all", &err), -1);
	cr_expect_eq(err.kind, ERR_NOINPUT);
	buf_fini(&text);
	buf_fini(&file);
	buf_fini(&got);
}
