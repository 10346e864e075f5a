/* load.c - from files to a rule set: the order of things, the bundle, the digest. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/digest.h"
#include "base/file.h"
#include "rules/directory.h"
#include "rules/field.h"
#include "rules/spelling.h"

/* Grows whenever the same rules would judge otherwise than before. */
#define SEMANTICS_VERSION "2"

struct loaded {
	struct ruleset set; /* first: what callers hold is its address */
	struct arena arena, words;
	struct buf bundle;
	struct name_table pack_names, *rule_ids; /* rule_ids by pack */
	struct str staff; /* what the directory file is called in findings */
	bool partly; /* as in struct ruleset_inputs */
};

/* One rule file. */
struct rule_file {
	struct scope scope;
	const struct yaml_node *root;
	bool *defaults_told;
};

struct loading {
	struct loader loader;
	VEC(struct rule_file) files; /* by pack, then path */
};

static const char *const pack_fields[] = {"pack",    "title", "timezone", "fold",  "mode", "defaults",
					  "lists",   "aliases", "allow",   "tags", "ladders", "rules"};

static void take_file(struct loading *loading, const struct source *source)
{
	struct loader *l = &loading->loader;
	const char *dir = l->sources->dir;
	struct rule_file file = {.scope = {.loader = l, .path = source->path}};
	struct yaml_node *root;
	bool slash = dir && str_ends(str_of(dir), STR("/"));

	file.scope.file = dir ? arena_printf(l->arena, "%s%s%.*s", dir, slash ? "" : "/",
					     STR_ARG(source->path))
			      : source->path;
	if (yaml_parse(l->scratch, file.scope.file, source->text, l->findings, &root) < 0)
		return;
	if (!root) {
		FIND_AT(&file.scope, FINDING_WARNING, 0, 0, "an empty file");
		return;
	}
	file.root = root;
	if (field_map(&file.scope, root, pack_fields, ARRAY_LEN(pack_fields), "a rule file") &&
	    pack_find(&file.scope, root))
		*VEC_ADD(l->scratch, &loading->files) = file;
}

static const struct pack_draft *draft_of(const struct rule_file *file)
{
	return &file->scope.loader->packs.items[file->scope.pack];
}

static int by_pack(const void *left, const void *right)
{
	const struct rule_file *a = left, *b = right;
	int order = str_cmp(draft_of(a)->pack.name, draft_of(b)->pack.name);

	return order ? order : str_cmp(a->scope.path, b->scope.path);
}

/* Sorts files and packs by name, so that indexes follow the order of judging. */
static void sort_files(struct loading *loading)
{
	struct loader *l = &loading->loader;
	struct pack_draft *sorted = ARENA_ARRAY(l->scratch, struct pack_draft, l->packs.count + 1);
	size_t count = 0;

	if (loading->files.count)
		qsort(loading->files.items, loading->files.count, sizeof *loading->files.items, by_pack);
	for (size_t i = 0; i < loading->files.count; i++) {
		struct rule_file *file = &loading->files.items[i];
		const struct pack_draft *draft = draft_of(file);
		if (!count || !str_eq(sorted[count - 1].pack.name, draft->pack.name))
			sorted[count++] = *draft;
	}
	for (size_t i = 0, at = 0; i < loading->files.count; i++) {
		struct rule_file *file = &loading->files.items[i];
		while (!str_eq(sorted[at].pack.name, draft_of(file)->pack.name))
			at++;
		file->scope.pack = (uint32_t)at;
	}
	l->packs.items = sorted;
	l->packs.count = l->packs.cap = count;
}

static void read_rules(struct rule_file *file)
{
	const struct scope *s = &file->scope;
	const struct yaml_node *defaults = yaml_find(file->root, STR("defaults"));
	const struct yaml_node *rules = yaml_find(file->root, STR("rules"));

	if (defaults) {
		rule_check_defaults(s, defaults);
		if (defaults->kind != YAML_MAP)
			defaults = NULL;
		else
			file->defaults_told = ARENA_ARRAY(s->loader->scratch, bool, defaults->count + 1);
	}
	if (!rules)
		return;
	if (rules->kind != YAML_LIST) {
		ERROR_AT(s, rules, "rules is a list; begin each rule with a dash: - id: NAME");
		return;
	}
	for (size_t i = 0; i < rules->count; i++)
		rule_read(s, rules->items[i], defaults, file->defaults_told);
}

/* Everything after the sources are there. */
static void read_all(struct loading *loading)
{
	struct loader *l = &loading->loader;
	const struct yaml_node *node;

	for (size_t i = 0, count = l->sources->count; i < count; i++) {
		/* Not by pointer: reading a word file moves the sources. */
		const struct source source = l->sources->items[i];
		if (source.kind == SOURCE_RULES)
			take_file(loading, &source);
	}
	sort_files(loading);
	/* Names first, in all files: rules may stand before what they name. */
	for (size_t i = 0; i < loading->files.count; i++)
		pack_read(&loading->files.items[i].scope, loading->files.items[i].root);
	for (size_t i = 0; i < loading->files.count; i++)
		if ((node = yaml_find(loading->files.items[i].root, STR("allow"))))
			rule_read_pack_allow(&loading->files.items[i].scope, node);
	for (size_t i = 0; i < loading->files.count; i++)
		read_rules(&loading->files.items[i]);
}

static void assemble(struct loader *l, struct loaded *loaded)
{
	struct ruleset *set = &loaded->set;
	struct pack *packs = ARENA_ARRAY(l->arena, struct pack, l->packs.count + 1);

	for (size_t i = 0; i < l->packs.count; i++) {
		packs[i] = l->packs.items[i].pack;
		packs[i].aliases = l->packs.items[i].aliases.items;
		packs[i].alias_count = l->packs.items[i].aliases.count;
	}
	set->packs = packs;
	loaded->rule_ids = ARENA_ARRAY(l->arena, struct name_table, l->packs.count + 1);
	for (size_t i = 0; i < l->packs.count; i++) {
		name_table_add(&loaded->pack_names, l->arena, packs[i].name, (uint32_t)i);
		loaded->rule_ids[i] = l->packs.items[i].rule_ids;
	}
	set->pack_count = l->packs.count;
	set->rules = l->rules.items;
	set->rule_count = l->rules.count;
	set->lists = l->lists.items;
	set->list_count = l->lists.count;
	set->groups = l->groups.items;
	set->group_count = l->groups.count;
	set->ladders = l->ladders.items;
	set->ladder_count = l->ladders.count;
}

static const char *const consent_names[] = {CONSENT_NAMES(AS_NAME)};

/* Lines of `corpid mode`, `*` for the default. */
static int read_consents(struct loader *l, struct ruleset *set, struct err *err)
{
	const struct source *source = sources_find(l->sources, SOURCE_CONSENT, STR("consent"));
	VEC(struct consent_rule) rules = {0};
	struct str text = source ? source->text : (struct str){0};

	while (text.len) {
		const char *end = memchr(text.data, '\n', text.len);
		struct str line = {text.data, end ? (size_t)(end - text.data) : text.len};
		const char *blank = line.len ? memrchr(line.data, ' ', line.len) : NULL;
		size_t corp_len = blank ? (size_t)(blank - line.data) : 0;
		int mode = -1;
		for (size_t i = 0; blank && i < ARRAY_LEN(consent_names); i++)
			if (str_eq(str_from(line, corp_len + 1), str_of(consent_names[i])))
				mode = (int)i;
		if (mode < 0)
			return err_set(err, ERR_DATA, "bundle of rules: consent makes no sense");
		struct str corpid = {line.data, corp_len};
		*VEC_ADD(l->arena, &rules) = (struct consent_rule){
			str_eq(corpid, STR("*")) ? (struct str){0} : corpid, (enum consent)mode};
		text = str_from(text, line.len + 1);
	}
	set->consents = rules.items;
	set->consent_count = rules.count;
	return 0;
}

struct str ruleset_semantics(struct arena *arena)
{
	return arena_printf(arena, "rules %s fold %.*s", SEMANTICS_VERSION, STR_ARG(spelling_version()));
}

/* The set of the sources, which are all there but for word files and zones. */
static int load(struct ruleset **out, struct loaded *loaded, struct sources *sources,
		struct arena *scratch, struct findings *findings, struct err *err)
{
	struct loading loading = {.loader = {.arena = &loaded->arena, .words = &loaded->words,
					     .scratch = scratch, .findings = findings,
					     .sources = sources}};
	struct loader *l = &loading.loader;
	size_t errors_before = findings->errors;
	const struct source *staff;

	read_all(&loading);
	assemble(l, loaded);
	loaded->set.directory = directory_empty();
	size_t of_rules = findings->errors - errors_before;
	if ((staff = sources_find(sources, SOURCE_STAFF, STR("staff"))))
		loaded->set.directory =
			directory_parse(&loaded->arena, loaded->staff, staff->text, findings);
	if (read_consents(l, &loaded->set, err) < 0)
		return -1;
	if (findings->errors > errors_before && !loaded->partly)
		return err_set(err, ERR_DATA, "%zu error%s in %.*s", findings->errors - errors_before,
			       findings->errors - errors_before == 1 ? "" : "s",
			       STR_ARG(of_rules ? STR("the rules") : loaded->staff));
	sources_bundle(sources, &loaded->bundle);
	if (loaded->bundle.len > BUNDLE_BYTES_MAX)
		return err_set(err, ERR_DATA, "the rules and their word files are larger than %d MiB",
			       BUNDLE_BYTES_MAX >> 20);
	digest_text(buf_str(&loaded->bundle), loaded->set.digest);
	*out = &loaded->set;
	return 0;
}

static int by_corpid(const void *left, const void *right)
{
	const struct consent_rule *a = left, *b = right;

	return str_cmp(a->corpid, b->corpid);
}

static int load_from_dir(struct ruleset **out, struct loaded *loaded, struct arena *scratch,
			 const struct ruleset_inputs *in, struct findings *findings, struct err *err)
{
	struct sources sources = {.arena = &loaded->arena};
	struct buf consent = {0};
	struct str text;

	if (sources_read(&sources, in->dir, err) < 0)
		return -1;
	sources_add(&sources, SOURCE_SEMANTICS, STR("semantics"), ruleset_semantics(&loaded->arena));
	if (in->staff) {
		if (file_read(&loaded->arena, in->staff, SOURCE_BYTES_MAX, &text, err) < 0)
			return -1;
		sources_add(&sources, SOURCE_STAFF, STR("staff"), text);
	}
	struct consent_rule *consents = ARENA_ARRAY(scratch, struct consent_rule, in->consent_count + 1);
	if (in->consent_count) {
		memcpy(consents, in->consents, in->consent_count * sizeof *consents);
		qsort(consents, in->consent_count, sizeof *consents, by_corpid);
	}
	for (size_t i = 0; i < in->consent_count; i++)
		buf_printf(&consent, "%.*s %s\n",
			   STR_ARG(consents[i].corpid.len ? consents[i].corpid : STR("*")),
			   consent_names[consents[i].consent]);
	if (consent.len)
		sources_add(&sources, SOURCE_CONSENT, STR("consent"),
			    arena_copy(&loaded->arena, buf_str(&consent)));
	buf_fini(&consent);
	return load(out, loaded, &sources, scratch, findings, err);
}

static int load_from_bundle(struct ruleset **out, struct loaded *loaded, struct arena *scratch,
			    struct str bundle, struct findings *findings, struct err *err)
{
	struct sources sources = {.arena = &loaded->arena};

	if (sources_unbundle(&sources, bundle, err) < 0)
		return -1;
	/* A set judges only by the semantics it was published under: anything else would give the
	 * past another meaning under the same digest. */
	const struct source *made_for = sources_find(&sources, SOURCE_SEMANTICS, STR("semantics"));
	struct str ours = ruleset_semantics(&loaded->arena);
	if (!made_for || !str_eq(made_for->text, ours))
		return err_set(err, ERR_CONFIG, "the rules were made for «%.*s», this program judges by "
						"«%.*s»; publish them again",
			       STR_ARG(made_for ? made_for->text : STR("nothing")), STR_ARG(ours));
	return load(out, loaded, &sources, scratch, findings, err);
}

static int load_with(struct ruleset **out, const struct ruleset_inputs *in, const struct str *bundle,
		     struct findings *findings, struct err *err)
{
	struct loaded *loaded = calloc(1, sizeof *loaded);
	struct arena scratch = {0};

	if (!loaded)
		return err_set(err, ERR_OS, "rules: out of memory");
	loaded->partly = in && in->partly;
	loaded->staff = in && in->staff ? str_of(in->staff) : STR("staff");
	int status = in ? load_from_dir(out, loaded, &scratch, in, findings, err)
			: load_from_bundle(out, loaded, &scratch, *bundle, findings, err);
	arena_fini(&scratch);
	if (status < 0)
		ruleset_free(&loaded->set);
	return status;
}

int ruleset_load_from(struct ruleset **out, const struct ruleset_inputs *in,
		      struct findings *findings, struct err *err)
{
	return load_with(out, in, NULL, findings, err);
}

int ruleset_load(struct ruleset **out, const char *dir, const char *staff, struct findings *findings,
		 struct err *err)
{
	return load_with(out, &(struct ruleset_inputs){.dir = dir, .staff = staff}, NULL, findings, err);
}

int ruleset_unbundle(struct ruleset **out, struct str bundle, struct findings *findings,
		     struct err *err)
{
	return load_with(out, NULL, &bundle, findings, err);
}

struct str ruleset_bundle(const struct ruleset *set)
{
	return buf_str(&((const struct loaded *)set)->bundle);
}

bool ruleset_find(const struct ruleset *set, struct str pack, struct str id, size_t *out)
{
	const struct loaded *loaded = (const struct loaded *)set;
	uint32_t pack_index, rule;

	if (!name_table_find(&loaded->pack_names, pack, &pack_index) ||
	    !name_table_find(&loaded->rule_ids[pack_index], id, &rule))
		return false;
	*out = rule;
	return true;
}

enum consent ruleset_consent(const struct ruleset *set, struct str corpid)
{
	enum consent consent = CONSENT_IGNORE;

	for (size_t i = 0; i < set->consent_count; i++) {
		if (str_eq(set->consents[i].corpid, corpid))
			return set->consents[i].consent;
		if (!set->consents[i].corpid.len)
			consent = set->consents[i].consent;
	}
	return consent;
}

void ruleset_free(struct ruleset *set)
{
	struct loaded *loaded = (struct loaded *)set;

	if (!loaded)
		return;
	arena_fini(&loaded->arena);
	arena_fini(&loaded->words);
	buf_fini(&loaded->bundle);
	free(loaded);
}

void ruleset_forget_words(struct ruleset *set)
{
	struct loaded *loaded = (struct loaded *)set;

	for (size_t i = 0; i < set->list_count; i++) {
		struct word_row *rows = (struct word_row *)(uintptr_t)set->lists[i].rows;
		for (size_t k = 0; k < set->lists[i].row_count; k++) {
			rows[k].words = NULL;
			rows[k].word_count = 0;
		}
	}
	arena_fini(&loaded->words);
	buf_fini(&loaded->bundle);
}
