/* test_store.c - the pure parts of store/: policy, columns, what a batch leaves of a row. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "base/utf8.h"
#include "store/coalesce.h"
#include "store/column.h"
#include "store/migrate.h"
#include "store/policy.h"
#include "store/rejects.h"

Test(policy, knows_what_to_do)
{
	static const struct {
		const char *sqlstate;
		enum store_action action;
	} rows[] = {
		{"",      ACTION_RECONNECT },
		{"08006", ACTION_RECONNECT },
		{"57P01", ACTION_RECONNECT },
		{"53300", ACTION_RECONNECT },
		{"25006", ACTION_RECONNECT },
		{"40001", ACTION_RETRY     },
		{"40P01", ACTION_RETRY     },
		{"55P03", ACTION_RETRY     },
		{"57014", ACTION_RETRY     },
		{"22021", ACTION_REJECT    },
		{"22P05", ACTION_REJECT    },
		{"23514", ACTION_REJECT    },
		{"54000", ACTION_REJECT    },
		{"53100", ACTION_WAIT      },
		{"53200", ACTION_WAIT      },
		{"58030", ACTION_WAIT      },
		{"XX000", ACTION_WAIT      },
		{"42501", ACTION_PERMISSION},
		{"28P01", ACTION_PERMISSION},
		{"42P01", ACTION_CONFIG    },
		{"3D000", ACTION_CONFIG    },
		{"3F000", ACTION_CONFIG    },
		{"25P02", ACTION_BUG       },
		{"ZZ999", ACTION_RECONNECT }, /* unknown: neither reject rows nor give up */
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_expect_eq(policy_action(rows[i].sqlstate), rows[i].action, "%s",
			     rows[i].sqlstate);
}

Test(column, writes_the_binary_format)
{
	struct column c = {0};

	column_begin(&c, COLUMN_I64);
	column_number(&c, -2);
	column_null(&c);
	struct pg_parameter p = column_parameter(&c);
	static const char want[] = "\0\0\0\1\0\0\0\1\0\0\0\24\0\0\0\2\0\0\0\1"
				   "\0\0\0\10\377\377\377\377\377\377\377\376\377\377\377\377";
	cr_expect(str_eq(p.value, (struct str){want, sizeof want - 1}));
	cr_expect_eq(p.type, 1016);

	column_begin(&c,
		     COLUMN_TIME); /* 2000-01-01 is 0; beyond any time is refused by the server */
	column_number(&c, INT64_C(946684800000));
	column_number(&c, INT64_MAX);
	p = column_parameter(&c);
	cr_expect(memcmp(p.value.data + 24, "\0\0\0\0\0\0\0\0", 8) == 0);
	cr_expect(memcmp(p.value.data + 36, "\177\377\377\377\377\377\377\376", 8) == 0);

	column_begin(&c, COLUMN_TEXT);
	column_list(&c, (struct str[]){STR("a\"b"), STR("c\\d")}, 2);
	p = column_parameter(&c);
	cr_expect(str_eq(str_from(p.value, 24), STR("{\"a\\\"b\",\"c\\\\d\"}")));
	column_fini(&c);
}

struct step {
	bool adds;
	enum cause cause;
	int64_t time_ms;
	const char *staff;
};

static struct event make(struct arena *arena, const struct step *step, uint64_t sequence)
{
	struct tag_change *change = ARENA_NEW(arena, struct tag_change);
	struct str *staff = ARENA_NEW(arena, struct str);

	*change = (struct tag_change){.group = STR("g"), .tag = STR("t")};
	*staff = str_of(step->staff);
	return (struct event){
		.type = EVENT_TAG,
		.cause = step->cause,
		.time_ms = step->time_ms,
		.sequence = sequence,
		.corpid = STR("ww1"),
		.external_userid = STR("wm1"),
		.userids = staff,
		.userid_count = 1,
		.add = change,
		.add_count = step->adds,
		.remove = change,
		.remove_count = !step->adds,
	};
}

static struct tag_row left_of(struct arena *arena, const struct step *steps, size_t count)
{
	struct coalesced *c = coalesce_new(arena, count + 1);
	size_t rows;

	for (size_t i = 0; i < count; i++) {
		struct event *e = ARENA_NEW(arena, struct event);
		*e = make(arena, &steps[i], i + 1);
		coalesce_add(c, e, (struct str){0});
	}
	const struct tag_row *row = coalesced_tags(c, &rows);
	cr_assert_eq(rows, 1);
	return row[0];
}

/* A server that speaks Chinese says more than the table keeps; half a character it would refuse. */
Test(rejects, keep_whole_characters)
{
	struct store_item item = {0};
	struct rejects r = {0};
	char text[400];

	for (size_t start = 0; start < 3; start++) {
		memset(text, 'x', start);
		text[start] = '\0';
		while (strlen(text) + 3 < sizeof text)
			strcat(text, "错");
		rejects_add(&r, &item, "22021", text);
		cr_expect(utf8_valid(str_of(r.rows[start].text)), "%zu", start);
		cr_expect(strlen(r.rows[start].text) > 100);
	}
	rejects_fini(&r);
}

Test(coalesce, says_what_a_batch_knows_of_a_tag)
{
	struct arena a = {0};

	struct tag_row row = left_of(&a,
				     (struct step[]){
					     {true, CAUSE_RULE, 10, "x"}
	},
				     1);
	cr_expect(row.reset && row.since_ms == 10 && !row.removed);

	/* Since when, and for whom, only the table knows. */
	row = left_of(&a,
		      (struct step[]){
			      {false, CAUSE_EXPIRY, 20, "x"}
	},
		      1);
	cr_expect(!row.reset && !row.has_since && row.removed && row.removed_ms == 20);

	/* Staff join; what was before decides whether `since` moves. */
	row = left_of(&a,
		      (struct step[]){
			      {true, CAUSE_STAFF, 30, "x"},
			      {true, CAUSE_STAFF, 40, "y"},
			      {true, CAUSE_STAFF, 50, "x"}
	},
		      3);
	cr_expect(!row.reset && row.has_since && row.since_ms == 30 && row.userid_count == 2);

	/* After a removal the batch knows all again. */
	row = left_of(&a,
		      (struct step[]){
			      {false, CAUSE_RULE,  60, "x"},
			      {true,  CAUSE_STAFF, 70, "y"}
	},
		      2);
	cr_expect(row.reset && row.since_ms == 70 && row.userid_count == 1 && !row.removed);
	arena_fini(&a);
}

/* A control record adds before it removes; a rule that does both renews. */
Test(coalesce, ends_as_the_event_means)
{
	static const enum cause causes[] = {CAUSE_MANUAL, CAUSE_RULE};
	struct arena a = {0};
	size_t rows;

	for (size_t i = 0; i < ARRAY_LEN(causes); i++) {
		struct coalesced *c = coalesce_new(&a, 8);
		struct event both = make(&a, &(struct step){true, causes[i], 100, "x"}, 1);
		both.remove_count = 1;
		coalesce_add(c, &both, (struct str){0});
		cr_expect_eq(coalesced_tags(c, &rows)->removed, causes[i] == CAUSE_MANUAL);
		cr_expect_eq(rows, 1);
	}
	arena_fini(&a);
}

Test(coalesce, drops_what_is_not_newer)
{
	struct arena a = {0};
	struct coalesced *c = coalesce_new(&a, 8);
	struct event newer = make(&a, &(struct step){true, CAUSE_RULE, 200, "x"}, 2);
	struct event older = make(&a, &(struct step){false, CAUSE_RULE, 100, "x"}, 1);
	size_t rows;

	coalesce_add(c, &newer, (struct str){0});
	coalesce_add(c, &older, (struct str){0});
	const struct tag_row *row = coalesced_tags(c, &rows);
	cr_expect(rows == 1 && !row->removed && row->sequence == 2);
	arena_fini(&a);
}

Test(migrate, scripts_are_whole_transactions)
{
	struct buf script = {0};

	for (int i = 0; i < migration_count; i++) {
		buf_clear(&script);
		migrate_script(&script, i);
		cr_expect(str_starts(buf_str(&script), STR("BEGIN;\n")));
		cr_expect(str_ends(buf_str(&script), STR("COMMIT;\n")));
		cr_expect_eq(migrations[i].version, i + 1);
	}
	buf_fini(&script);
}
