/* snapshot.c - writes, checks and reads the file of a partition's state. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "state/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/hash.h"
#include "base/zstd.h"
#include "state/codec.h"

enum {
	MAGIC_BYTES = 8,
	FRONT_BYTES = MAGIC_BYTES + 4 + 4 + 8, /* of the head, before its body */
	PIECE_FRONT_BYTES = 4 + 8,
	TAIL_FRONT_BYTES = 4 + 4 + 8,
	BODY_BYTES_MAX = 1024 * 1024, /* of head and tail: a marker has a clock for each corp */
	/* A piece ends with the subject that made it full; both as compressed. */
	PIECE_RAW_BYTES_MAX = SNAPSHOT_PIECE_BYTES + 64 * 1024 * 1024,
	PIECE_BYTES_MAX = PIECE_RAW_BYTES_MAX,
	LEVEL = 1, /* a third of level 3's time; a fifth larger */
};

static const struct str magic = STR("CHATMILL");

static void put_fixed(struct buf *out, uint64_t n, int bytes)
{
	for (int k = 0; k < bytes; k++)
		buf_putc(out, (char)(n >> (8 * k)));
}

static uint64_t get_fixed(const char *at, int bytes)
{
	uint64_t n = 0;

	for (int k = 0; k < bytes; k++)
		n |= (uint64_t)(unsigned char)at[k] << (8 * k);
	return n;
}

/* The checksum of all that was before, and of one thing more. */
static uint64_t chain(uint64_t before, uint64_t checksum)
{
	uint64_t both[2] = {before, checksum};

	return hash_64((struct str){(const char *)both, sizeof both});
}

/* ---- writing ---- */

struct snapshot_writer {
	const char *path, *part;
	int fd;
	uint64_t checksum, pieces;
	size_t bytes;
	struct buf out;
};

static int fail(struct err *err, const char *path)
{
	return err_errno(err, ERR_OS, "snapshot: %s", path);
}

static int write_out(struct snapshot_writer *w, struct err *err)
{
	for (size_t at = 0; at < w->out.len;) {
		ssize_t done = write(w->fd, w->out.data + at, w->out.len - at);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return fail(err, w->part);
		at += (size_t)done;
	}
	w->bytes += w->out.len;
	buf_clear(&w->out);
	return 0;
}

static int write_head(struct snapshot_writer *w, const struct snapshot_head *head, struct err *err)
{
	struct buf body = {0};

	codec_put_text(&body, str_of(head->owner.cluster));
	codec_put_text(&body, str_of(head->owner.topic));
	codec_put_number(&body, (uint64_t)head->owner.partition);
	codec_put_number(&body, (uint64_t)head->owner.settings.memory_ms);
	codec_put_number(&body, (uint64_t)head->owner.settings.idle_ms);
	codec_put_text(&body, str_of(head->lineage));
	codec_put_number(&body, (uint64_t)head->start);
	codec_put_number(&body, (uint64_t)head->begun_ms);
	w->checksum = hash_64(buf_str(&body));
	buf_put(&w->out, magic);
	put_fixed(&w->out, SNAPSHOT_VERSION, 4);
	put_fixed(&w->out, body.len, 4);
	put_fixed(&w->out, w->checksum, 8);
	buf_put(&w->out, buf_str(&body));
	buf_fini(&body);
	return write_out(w, err);
}

int snapshot_writer_new(struct snapshot_writer **out, const char *path, const char *part,
			const struct snapshot_head *head, struct err *err)
{
	OWNED(snapshot_writer) *w = calloc(1, sizeof *w);

	if (!w)
		return err_set(err, ERR_OS, "snapshot: out of memory");
	w->path = path;
	w->part = part;
	w->fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (w->fd < 0)
		return fail(err, part);
	if (write_head(w, head, err) < 0)
		return -1;
	*out = TAKE(w);
	return 0;
}

void snapshot_writer_free(struct snapshot_writer *w)
{
	if (!w)
		return;
	if (w->fd >= 0) {
		close(w->fd);
		(void)unlink(w->part); /* what stays is written over by the next one */
	}
	buf_fini(&w->out);
	free(w);
}

int snapshot_write(struct snapshot_writer *w, struct str piece, struct err *err)
{
	buf_clear(&w->out);
	buf_room(&w->out, PIECE_FRONT_BYTES);
	w->out.len = PIECE_FRONT_BYTES;
	zstd_compress(&w->out, piece, LEVEL);
	struct str frame = str_from(buf_str(&w->out), PIECE_FRONT_BYTES);
	uint64_t checksum = hash_64(frame);
	size_t len = w->out.len;

	w->out.len = 0;
	put_fixed(&w->out, frame.len, 4);
	put_fixed(&w->out, checksum, 8);
	w->out.len = len;
	w->checksum = chain(w->checksum, checksum);
	w->pieces++;
	fault_point("snapshot_piece");
	return write_out(w, err);
}

/* A file is safe under its name when the folder is synced too. */
static int sync_folder(const char *path, struct err *err)
{
	char folder[1024];
	const char *slash = strrchr(path, '/');

	(void)snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) : 1,
		       slash ? path : ".");
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd < 0 || fsync(fd) < 0 ? fail(err, folder) : 0;
	if (fd >= 0)
		close(fd);
	return rc;
}

int snapshot_writer_end(struct snapshot_writer *w, int64_t end, struct str marker, struct err *err)
{
	struct buf body = {0};

	codec_put_number(&body, (uint64_t)end);
	codec_put_number(&body, w->pieces);
	codec_put_text(&body, marker);
	put_fixed(&w->out, 0, 4);
	put_fixed(&w->out, body.len, 4);
	put_fixed(&w->out, chain(w->checksum, hash_64(buf_str(&body))), 8);
	buf_put(&w->out, buf_str(&body));
	put_fixed(&w->out, TAIL_FRONT_BYTES + body.len + 4, 4);
	buf_fini(&body);
	if (write_out(w, err) < 0)
		return -1;
	fault_point("snapshot_written");
	if (fsync(w->fd) < 0)
		return fail(err, w->part);
	fault_point("snapshot_synced");
	if (rename(w->part, w->path) < 0)
		return fail(err, w->path);
	close(w->fd);
	w->fd = -1;
	fault_point("snapshot_renamed");
	return sync_folder(w->path, err);
}

size_t snapshot_writer_bytes(const struct snapshot_writer *w)
{
	return w->bytes;
}

/* ---- reading ---- */

struct snapshot {
	FILE *file;
	struct snapshot_head head;
	uint64_t checksum; /* so far */
	uint64_t whole;	   /* what it must be in the end */
	uint64_t tail_body; /* checksum */
	uint64_t pieces;
	struct buf marker;
};

static int damaged(struct err *err)
{
	return err_set(err, ERR_DATA, "damaged");
}

/* Exactly `bytes`, appended to `out`. */
static int read_in(struct snapshot *s, struct buf *out, size_t bytes, struct err *err)
{
	if (fread(buf_room(out, bytes), 1, bytes, s->file) != bytes)
		return damaged(err);
	out->len += bytes;
	return 0;
}

static bool get_name(struct str *in, char out[SNAPSHOT_NAME_BYTES])
{
	struct str text;

	if (!codec_get_text(in, &text) || text.len >= SNAPSHOT_NAME_BYTES)
		return false;
	memcpy(out, text.data, text.len);
	out[text.len] = '\0';
	return true;
}

static bool get_i64(struct str *in, int64_t *out)
{
	uint64_t n;

	if (!codec_get_number(in, &n))
		return false;
	*out = (int64_t)n;
	return true;
}

static bool read_head_body(struct snapshot_head *h, struct str body)
{
	int64_t partition;

	if (!get_name(&body, h->owner.cluster) || !get_name(&body, h->owner.topic) ||
	    !get_i64(&body, &partition) || !get_i64(&body, &h->owner.settings.memory_ms) ||
	    !get_i64(&body, &h->owner.settings.idle_ms) || !get_name(&body, h->lineage) ||
	    !get_i64(&body, &h->start) || !get_i64(&body, &h->begun_ms))
		return false;
	h->owner.partition = (int32_t)partition;
	return body.len == 0;
}

static int read_head(struct snapshot *s, struct buf *in, struct err *err)
{
	if (read_in(s, in, FRONT_BYTES, err) < 0)
		return -1;
	if (!str_starts(buf_str(in), magic))
		return err_set(err, ERR_DATA, "it is no snapshot");
	if (get_fixed(in->data + MAGIC_BYTES, 4) != SNAPSHOT_VERSION)
		return err_set(err, ERR_DATA, "it is of another version of chatmill");
	uint64_t bytes = get_fixed(in->data + MAGIC_BYTES + 4, 4);
	s->checksum = get_fixed(in->data + MAGIC_BYTES + 8, 8);
	buf_clear(in);
	if (bytes > BODY_BYTES_MAX || read_in(s, in, bytes, err) < 0 ||
	    hash_64(buf_str(in)) != s->checksum || !read_head_body(&s->head, buf_str(in)))
		return damaged(err);
	return 0;
}

/* The tail stands last, and its length behind it. */
static int read_tail(struct snapshot *s, struct buf *in, struct err *err)
{
	long after_head = ftell(s->file);
	struct str body, marker;

	buf_clear(in);
	if (after_head < 0 || fseek(s->file, -4, SEEK_END) < 0 || read_in(s, in, 4, err) < 0)
		return damaged(err);
	uint64_t bytes = get_fixed(in->data, 4);
	if (bytes < TAIL_FRONT_BYTES + 4 || bytes > BODY_BYTES_MAX ||
	    fseek(s->file, -(long)bytes, SEEK_END) < 0 || ftell(s->file) < after_head)
		return damaged(err);
	buf_clear(in);
	if (read_in(s, in, bytes, err) < 0 || get_fixed(in->data, 4) != 0 ||
	    get_fixed(in->data + 4, 4) != bytes - TAIL_FRONT_BYTES - 4)
		return damaged(err);
	s->whole = get_fixed(in->data + 8, 8);
	body = (struct str){in->data + TAIL_FRONT_BYTES, bytes - TAIL_FRONT_BYTES - 4};
	s->tail_body = hash_64(body);
	if (!get_i64(&body, &s->head.end) || !codec_get_number(&body, &s->pieces) ||
	    !codec_get_text(&body, &marker) || fseek(s->file, after_head, SEEK_SET) < 0)
		return damaged(err);
	buf_put(&s->marker, marker);
	return 0;
}

int snapshot_open(struct snapshot **out, const char *path, struct err *err)
{
	OWNED(snapshot) *s = calloc(1, sizeof *s);
	struct buf in = {0};

	if (!s)
		return err_set(err, ERR_OS, "snapshot: out of memory");
	s->file = fopen(path, "rbe");
	if (!s->file)
		return err_errno(err, ERR_NOINPUT, "it cannot be opened");
	int rc = read_head(s, &in, err) < 0 || read_tail(s, &in, err) < 0 ? -1 : 0;
	buf_fini(&in);
	if (rc < 0)
		return -1;
	*out = TAKE(s);
	return 0;
}

void snapshot_free(struct snapshot *s)
{
	if (!s)
		return;
	if (s->file)
		fclose(s->file);
	buf_fini(&s->marker);
	free(s);
}

const struct snapshot_head *snapshot_head(const struct snapshot *s)
{
	return &s->head;
}

const char *snapshot_refusal(const struct snapshot_head *head, const struct snapshot_owner *owner,
			     const struct snapshot_facts *facts)
{
	if (strcmp(head->owner.cluster, owner->cluster) != 0)
		return "it is of another cluster";
	if (strcmp(head->owner.topic, owner->topic) != 0 ||
	    head->owner.partition != owner->partition)
		return "it is of another topic or partition";
	if (head->owner.settings.memory_ms != owner->settings.memory_ms ||
	    head->owner.settings.idle_ms != owner->settings.idle_ms)
		return "state.memory or state.idle_days were others";
	if (facts->low > head->start)
		return "the changelog begins behind it";
	if (facts->high <= head->start)
		return "the changelog ends before it";
	if (head->begun_ms > facts->now_ms)
		return "it is from the future";
	if (facts->now_ms - head->begun_ms >= facts->delete_retention_ms / 2)
		return "it is older than half of the topic's delete.retention.ms";
	return NULL;
}

static int load_piece(struct snapshot *s, struct shard *shard, struct buf *in, struct buf *raw,
		      struct err *err)
{
	buf_clear(in);
	buf_clear(raw);
	if (read_in(s, in, PIECE_FRONT_BYTES, err) < 0)
		return -1;
	uint64_t bytes = get_fixed(in->data, 4), checksum = get_fixed(in->data + 4, 8);
	buf_clear(in);
	if (bytes == 0 || bytes > PIECE_BYTES_MAX || read_in(s, in, bytes, err) < 0 ||
	    hash_64(buf_str(in)) != checksum ||
	    zstd_decompress(raw, buf_str(in), PIECE_RAW_BYTES_MAX, err) < 0 ||
	    !shard_take_copy(shard, buf_str(raw)))
		return damaged(err);
	s->checksum = chain(s->checksum, checksum);
	return 0;
}

int snapshot_load(struct snapshot *s, struct shard *shard, struct err *err)
{
	struct buf in = {0}, raw = {0};
	int rc = 0;

	for (uint64_t i = 0; i < s->pieces && rc == 0; i++)
		rc = load_piece(s, shard, &in, &raw, err);
	buf_fini(&in);
	buf_fini(&raw);
	if (rc < 0)
		return -1;
	if (chain(s->checksum, s->tail_body) != s->whole ||
	    !shard_take_marker(shard, buf_str(&s->marker)) ||
	    !str_eq(shard_lineage(shard), str_of(s->head.lineage)))
		return damaged(err);
	return 0;
}

void snapshot_path(const char *dir, const char *pipeline, int32_t partition, char out[1024])
{
	(void)snprintf(out, 1024, "%s/%s-%d.snapshot", dir, pipeline, (int)partition);
}
