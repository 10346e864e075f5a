/* audit_compare.c - lets the server compare columns with a table. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store/audit_parts.h"

static const char *type_name(enum column_type type)
{
	switch (type) {
	case COLUMN_TEXT:
	case COLUMN_LIST:
		return "text";
	case COLUMN_JSON:
		return "jsonb";
	case COLUMN_UUID:
		return "uuid";
	case COLUMN_TIME:
		return "timestamptz";
	case COLUMN_DAY:
		return "date";
	case COLUMN_I64:
		return "int8";
	case COLUMN_I32:
		return "int4";
	case COLUMN_BOOL:
		return "bool";
	case COLUMN_BYTES:
		return "bytea";
	}
	UNREACHABLE("a column's type that is not in the enum");
}

static void put_sql(struct buf *sql, const struct layout *l, const struct column *columns)
{
	buf_printf(sql, "SELECT x.n, x.\"%s\"::text, t.\"%s\" IS NULL, concat_ws(', '",
		   l->fields[0].name, l->fields[0].name);
	for (size_t i = l->keys; i < l->count; i++)
		buf_printf(sql, ", CASE WHEN t.\"%s\" IS DISTINCT FROM x.\"%s\"%s THEN '%s' END",
			   l->fields[i].name, l->fields[i].name,
			   l->fields[i].is_list ? "::text[]" : "", l->fields[i].name);
	buf_put(sql, STR(") FROM unnest("));
	for (size_t i = 0; i < l->count; i++)
		buf_printf(sql, "%s$%zu::%s[]", i ? ", " : "", i + 1, type_name(columns[i].type));
	buf_put(sql, STR(") WITH ORDINALITY AS x("));
	for (size_t i = 0; i < l->count; i++)
		buf_printf(sql, "\"%s\", ", l->fields[i].name);
	buf_printf(sql, "n) LEFT JOIN chatmill.%s t ON ", l->table);
	for (size_t i = 0; i < l->keys; i++)
		buf_printf(sql, "%st.\"%s\" = x.\"%s\"", i ? " AND " : "", l->fields[i].name,
			   l->fields[i].name);
	buf_printf(sql, " WHERE t.\"%s\" IS NULL", l->fields[0].name);
	for (size_t i = l->keys; i < l->count; i++)
		buf_printf(sql, " OR t.\"%s\" IS DISTINCT FROM x.\"%s\"%s", l->fields[i].name,
			   l->fields[i].name, l->fields[i].is_list ? "::text[]" : "");
	buf_put(sql, STR(" ORDER BY 1"));
	buf_putc(sql, '\0');
}

int audit_compare(struct audit *a, const struct layout *l, struct column *columns,
		  struct pg_result **out, struct pg_fault *fault)
{
	struct pg_parameter parameters[AUDIT_COLUMNS_MAX];
	struct buf sql = {0};

	put_sql(&sql, l, columns);
	for (size_t i = 0; i < l->count; i++)
		parameters[i] = column_parameter(&columns[i]);
	int rc = pg_query(a->pg, sql.data, parameters, l->count, out, fault);
	buf_fini(&sql);
	return rc;
}

void audit_report(struct audit *a, const struct audit_row *row)
{
	a->settings.report(a->settings.context, row);
}

void audit_say_columns(char out[160], struct str columns)
{
	(void)snprintf(out, 160, "differs in %.*s", (int)MIN(columns.len, (size_t)120),
		       columns.data);
}
