/* column.c - writes the binary format of PostgreSQL's arrays. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store/column.h"

#include <endian.h>

enum { HEADER_BYTES = 20, DAYS_1970_TO_2000 = 10957 };

/* Types by OID (src/include/catalog/pg_type.dat; fixed for ever). */
static const struct {
	uint32_t element, array;
} oids[] = {
	[COLUMN_TEXT] = {25,   1009},
	  [COLUMN_JSON] = {3802, 3807},
	  [COLUMN_UUID] = {2950, 2951},
	[COLUMN_TIME] = {1184, 1185},
	  [COLUMN_DAY] = {1082, 1182},
	  [COLUMN_I64] = {20,   1016},
	[COLUMN_I32] = {23,   1007},
	  [COLUMN_BOOL] = {16,   1000},
	  [COLUMN_BYTES] = {17,   1001},
};

void column_fini(struct column *c)
{
	buf_fini(&c->data);
	*c = (struct column){0};
}

void column_begin(struct column *c, enum column_type type)
{
	c->type = type;
	c->count = 0;
	c->nulls = false;
	buf_clear(&c->data);
	memset(buf_room(&c->data, HEADER_BYTES), 0, HEADER_BYTES);
	c->data.len = HEADER_BYTES;
}

static void put_u32(struct column *c, uint32_t value)
{
	value = htobe32(value);
	buf_put(&c->data, (struct str){(const char *)&value, sizeof value});
}

static void put_u64(struct column *c, uint64_t value)
{
	value = htobe64(value);
	buf_put(&c->data, (struct str){(const char *)&value, sizeof value});
}

void column_null(struct column *c)
{
	put_u32(c, UINT32_MAX); /* length -1 */
	c->nulls = true;
	c->count++;
}

void column_str(struct column *c, struct str value)
{
	assert(c->type == COLUMN_TEXT || c->type == COLUMN_JSON || c->type == COLUMN_BYTES);
	put_u32(c, (uint32_t)(value.len + (c->type == COLUMN_JSON)));
	if (c->type == COLUMN_JSON)
		buf_putc(&c->data, 1); /* the version of jsonb's wire format */
	buf_put(&c->data, value);
	c->count++;
}

static unsigned nibble(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

void column_uuid(struct column *c, const char id[UUID_LEN])
{
	assert(c->type == COLUMN_UUID);
	put_u32(c, 16);
	for (int i = 0; i < UUID_LEN; i += 2) {
		if (id[i] == '-')
			i++;
		buf_putc(&c->data, (char)(nibble(id[i]) << 4 | nibble(id[i + 1])));
	}
	c->count++;
}

/* Microseconds since 2000. INT64_MAX and INT64_MIN are the infinities, which nobody means; one
 * less is out of range, so that the server refuses it. */
static int64_t time_of(int64_t ms)
{
	int64_t since_2000_ms, us;

	if (__builtin_sub_overflow(ms, DAYS_1970_TO_2000 * DAY_MS, &since_2000_ms) ||
	    __builtin_mul_overflow(since_2000_ms, (int64_t)1000, &us))
		return INT64_MAX - 1;
	return us;
}

static int32_t day_of(int64_t ms)
{
	int64_t day = ms / DAY_MS - (ms % DAY_MS < 0) - DAYS_1970_TO_2000;
	return day < INT32_MIN + 1 || day > INT32_MAX - 1 ? INT32_MAX - 1 : (int32_t)day;
}

void column_number(struct column *c, int64_t value)
{
	switch (c->type) {
	case COLUMN_TIME:
	case COLUMN_I64:
		put_u32(c, 8);
		put_u64(c, (uint64_t)(c->type == COLUMN_TIME ? time_of(value) : value));
		break;
	case COLUMN_DAY:
	case COLUMN_I32:
		put_u32(c, 4);
		put_u32(c, (uint32_t)(c->type == COLUMN_DAY ? day_of(value) : (int32_t)value));
		break;
	case COLUMN_BOOL:
		put_u32(c, 1);
		buf_putc(&c->data, value != 0);
		break;
	case COLUMN_TEXT:
	case COLUMN_JSON:
	case COLUMN_UUID:
	case COLUMN_BYTES:
	case COLUMN_LIST:
		UNREACHABLE("a number in a column of another type");
	}
	c->count++;
}

/* The head of an array of one dimension; none if it is empty (array_send() does so too). */
static void put_array_head(struct column *c, uint32_t element, size_t count)
{
	put_u32(c, count > 0);
	put_u32(c, 0); /* no nulls */
	put_u32(c, element);
	if (count) {
		put_u32(c, (uint32_t)count);
		put_u32(c, 1); /* lower bound */
	}
}

static void put_list_text(struct column *c, const struct str *items, size_t count)
{
	buf_putc(&c->data, '{');
	for (size_t i = 0; i < count; i++) {
		if (i)
			buf_putc(&c->data, ',');
		buf_putc(&c->data, '"');
		for (size_t k = 0; k < items[i].len; k++) {
			if (items[i].data[k] == '"' || items[i].data[k] == '\\')
				buf_putc(&c->data, '\\');
			buf_putc(&c->data, items[i].data[k]);
		}
		buf_putc(&c->data, '"');
	}
	buf_putc(&c->data, '}');
}

void column_list(struct column *c, const struct str *items, size_t count)
{
	assert(c->type == COLUMN_TEXT || c->type == COLUMN_LIST);
	size_t at = c->data.len;
	put_u32(c, 0);
	if (c->type == COLUMN_TEXT) {
		put_list_text(c, items, count);
	} else {
		put_array_head(c, oids[COLUMN_TEXT].element, count);
		for (size_t i = 0; i < count; i++) {
			put_u32(c, (uint32_t)items[i].len);
			buf_put(&c->data, items[i]);
		}
	}
	uint32_t len = htobe32((uint32_t)(c->data.len - at - 4));
	memcpy(c->data.data + at, &len, sizeof len);
	c->count++;
}

void column_line_begin(struct column *c)
{
	buf_clear(&c->data);
	c->count = 0;
	c->nulls = false;
}

struct pg_parameter column_parameter(struct column *c)
{
	/* ndim, has nulls, element type, length, lower bound; no rows are an array of no dimension
	 */
	uint32_t header[5] = {htobe32(c->count > 0), htobe32(c->nulls),
			      htobe32(oids[c->type].element), htobe32(c->count), htobe32(1)};

	memcpy(c->data.data, header, HEADER_BYTES);
	return (struct pg_parameter){
		oids[c->type].array, {c->data.data, c->count ? c->data.len : 12}
	};
}
