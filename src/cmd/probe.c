/* probe.c - a rule set of the pieces of rules. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/probe.h"

#include "rules/vec.h"

/* The filters of the whole message, and those that choose texts; by the name of the rule's field. */
enum piece_filter {
	F_FROM, F_CHAT, F_ACTION, F_TYPES, F_ROOMS, F_STAFF, F_CORPS, F_HOURS, F_AMOUNT, F_FILE_TYPES,
	F_FIELDS, F_FORWARDED, F_QUOTED, F_EMOTICONS, F_COUNT,
};
enum { F_TEXT_FIRST = F_FIELDS };

static const char *const filter_names[F_COUNT] = {
	"from", "chat", "action", "types", "rooms", "staff", "corps", "hours and days", "amount",
	"file_types", "fields", "forwarded", "quoted", "emoticons",
};

enum piece_kind {
	PIECE_WHOLE,
	PIECE_WORDS,	/* any leaf that is not below a none: nothing excused, all texts */
	PIECE_FILTER,	/* one filter of the message, without the condition */
	PIECE_PART,	/* one part of the condition */
	PIECE_NO_ALLOW, /* the part without allow words */
	PIECE_ALL_TEXTS, /* the part with one filter of texts open */
	PIECE_OPEN,	/* the part without allow words, in all texts */
	PIECE_INSIDE,	/* what is inside a none */
};

struct piece {
	enum piece_kind kind;
	enum piece_filter filter;
	const struct cond *part;
};

struct probe {
	const struct ruleset *set;
	struct arena arena;
	struct ruleset pieces_set;
	VEC(struct rule) rules;	  /* of pieces_set */
	VEC(struct piece) pieces; /* one for each of them */
	size_t *first;		  /* of each rule of `set`: its first piece; one more at the end */
	const struct match **matches; /* by piece; NULL: does not hold */
	struct rulebook book;
	struct pipeline *pipeline;
	struct reading reading;
};

static struct filter open_filter(void)
{
	return (struct filter){
		.roles = ROLE_BIT_ALL, .chats = CHAT_BIT_ALL, .actions = ACTION_SEND_BIT | ACTION_RECALL_BIT,
		.days = 0x7f, .amount_at_least_fen = -1,
		.forwarded = INCLUDE, .quoted = INCLUDE, .emoticons = INCLUDE,
	};
}

/* Copies one filter. Returns false if it lets everything through. */
static bool copy_filter(struct filter *to, const struct filter *from, enum piece_filter which)
{
	switch (which) {
	case F_FROM:
		to->roles = from->roles;
		return from->roles != ROLE_BIT_ALL;
	case F_CHAT:
		to->chats = from->chats;
		return from->chats != CHAT_BIT_ALL;
	case F_ACTION:
		to->actions = from->actions;
		return from->actions != (ACTION_SEND_BIT | ACTION_RECALL_BIT);
	case F_TYPES:
		to->types = from->types;
		return from->types.count;
	case F_ROOMS:
		to->rooms = from->rooms;
		return from->rooms.count;
	case F_STAFF:
		to->staff = from->staff;
		to->departments = from->departments;
		return from->staff.count || from->departments.count;
	case F_CORPS:
		to->corps = from->corps;
		return from->corps.count;
	case F_HOURS:
		to->hours = from->hours;
		to->hour_count = from->hour_count;
		to->days = from->days;
		return from->hour_count || from->days != 0x7f;
	case F_AMOUNT:
		to->amount_at_least_fen = from->amount_at_least_fen;
		return from->amount_at_least_fen >= 0;
	case F_FILE_TYPES:
		to->file_types = from->file_types;
		return from->file_types.count;
	case F_FIELDS:
		to->fields = from->fields;
		return from->fields.count;
	case F_FORWARDED:
		to->forwarded = from->forwarded;
		return from->forwarded != INCLUDE;
	case F_QUOTED:
		to->quoted = from->quoted;
		return from->quoted != INCLUDE;
	case F_EMOTICONS:
		to->emoticons = from->emoticons;
		return from->emoticons != INCLUDE;
	case F_COUNT:
		break;
	}
	UNREACHABLE("a filter that is not in the enum");
}

/* A new rule: a condition on the texts that `rule` looks at, or, without one, nothing of it yet. A
 * piece that is one filter of the message must not fail by the choice of texts too. */
static struct rule *add_piece(struct probe *p, const struct rule *rule, struct piece piece)
{
	struct rule *copy = VEC_ADD(&p->arena, &p->rules);

	*VEC_ADD(&p->arena, &p->pieces) = piece;
	*copy = *rule;
	if (piece.kind == PIECE_WHOLE)
		return copy;
	copy->filter = open_filter();
	copy->match = piece.part;
	copy->effect_count = 0; /* a table may not be part of this piece */
	copy->near_count = 0;
	for (int f = F_TEXT_FIRST; piece.part && f < F_COUNT; f++)
		(void)copy_filter(&copy->filter, &rule->filter, (enum piece_filter)f);
	return copy;
}

/* The leaves of a condition, but for those below a none. */
static void gather_leaves(struct arena *arena, const struct cond *cond, void *vec)
{
	VEC(struct cond *) *leaves = vec;
	bool leaf = cond->kind == COND_WORD || cond->kind == COND_REGEX || cond->kind == COND_LIST ||
		    cond->kind == COND_IS;

	if (leaf)
		*VEC_ADD(arena, leaves) = (struct cond *)cond; /* never written to */
	for (size_t i = 0; cond->kind != COND_NONE && i < cond->child_count; i++)
		gather_leaves(arena, cond->children[i], vec);
}

static const struct cond *any_of(struct probe *p, const struct cond *like, struct cond **children,
				 size_t count)
{
	struct cond *any = ARENA_NEW(&p->arena, struct cond);

	*any = (struct cond){.kind = COND_ANY, .line = like->line, .col = like->col,
			     .children = children, .child_count = count};
	return any;
}

static void add_part(struct probe *p, const struct rule *rule, const struct cond *part)
{
	add_piece(p, rule, (struct piece){.kind = PIECE_PART, .part = part});
	if (part->kind == COND_NONE) {
		struct piece inside = {.kind = PIECE_INSIDE,
				       .part = any_of(p, part, part->children, part->child_count)};
		add_piece(p, rule, inside);
		return;
	}
	if (rule->allow_count)
		add_piece(p, rule, (struct piece){.kind = PIECE_NO_ALLOW, .part = part})->allow_count = 0;
	for (int f = F_TEXT_FIRST; f < F_COUNT; f++) {
		struct filter open = open_filter(), scratch = open;
		if (!copy_filter(&scratch, &rule->filter, (enum piece_filter)f))
			continue;
		struct piece piece = {PIECE_ALL_TEXTS, (enum piece_filter)f, part};
		struct rule *copy = add_piece(p, rule, piece);
		(void)copy_filter(&copy->filter, &open, (enum piece_filter)f);
	}
	struct rule *copy = add_piece(p, rule, (struct piece){.kind = PIECE_OPEN, .part = part});
	copy->filter = open_filter();
	copy->allow_count = 0;
}

/* Filters of texts that a message without such a text fails: those of a rule without a condition. */
static bool wants_texts(const struct filter *filter, enum piece_filter which)
{
	return (which == F_FIELDS && filter->fields.count) ||
	       (which == F_FORWARDED && filter->forwarded == ONLY) ||
	       (which == F_QUOTED && filter->quoted == ONLY);
}

static void take_apart(struct probe *p, const struct rule *rule)
{
	VEC(struct cond *) leaves = {0};
	struct filter scratch;

	add_piece(p, rule, (struct piece){.kind = PIECE_WHOLE});
	for (int f = 0; f < F_COUNT; f++) {
		bool of_message = f < F_TEXT_FIRST &&
				  copy_filter(&scratch, &rule->filter, (enum piece_filter)f);
		bool of_texts = !rule->match && wants_texts(&rule->filter, (enum piece_filter)f);
		if (!of_message && !of_texts)
			continue;
		struct rule *copy = add_piece(p, rule, (struct piece){PIECE_FILTER, (enum piece_filter)f, NULL});
		(void)copy_filter(&copy->filter, &rule->filter, (enum piece_filter)f);
	}
	if (!rule->match)
		return;
	gather_leaves(&p->arena, rule->match, &leaves);
	if (leaves.count) {
		struct piece words = {.kind = PIECE_WORDS,
				      .part = any_of(p, rule->match, leaves.items, leaves.count)};
		struct rule *copy = add_piece(p, rule, words);
		copy->filter = open_filter();
		copy->allow_count = 0;
	}
	if (rule->match->kind != COND_ALL) {
		add_part(p, rule, rule->match);
		return;
	}
	for (size_t i = 0; i < rule->match->child_count; i++)
		add_part(p, rule, rule->match->children[i]);
}

int probe_new(struct probe **out, const struct ruleset *set, struct str corp, struct err *err)
{
	OWNED(probe) *p = calloc(1, sizeof *p);
	struct pipeline_settings settings = {.decode = {.corpid = corp}};
	struct findings findings = {0};

	if (!p)
		return err_set(err, ERR_OS, "explain: out of memory");
	p->set = set;
	p->first = ARENA_ARRAY(&p->arena, size_t, set->rule_count + 1);
	for (size_t i = 0; i < set->rule_count; i++) {
		p->first[i] = p->rules.count;
		take_apart(p, &set->rules[i]);
	}
	p->first[set->rule_count] = p->rules.count;
	p->matches = ARENA_ARRAY(&p->arena, const struct match *, p->rules.count + 1);
	p->pieces_set = *set;
	p->pieces_set.rules = p->rules.items;
	p->pieces_set.rule_count = p->rules.count;
	p->book = (struct rulebook){.refs = 1, .set = &p->pieces_set};
	int status = engine_new(&p->book.engine, &p->pieces_set, NULL, &findings, err);
	findings_fini(&findings); /* the set itself was compiled without any */
	if (status < 0 || pipeline_new(&p->pipeline, &settings, err) < 0 ||
	    pipeline_fit(p->pipeline, &p->book, err) < 0)
		return -1;
	*out = TAKE(p);
	return 0;
}

void probe_free(struct probe *p)
{
	if (!p)
		return;
	pipeline_free(p->pipeline);
	engine_free(p->book.engine);
	arena_fini(&p->arena);
	free(p);
}

enum decode_result probe_ask(struct probe *p, const struct record *record)
{
	pipeline_clear(p->pipeline);
	pipeline_read(p->pipeline, &p->book, record, &p->reading);
	memset(p->matches, 0, p->rules.count * sizeof *p->matches);
	for (size_t i = 0; i < p->reading.matches.count; i++)
		p->matches[p->reading.matches.items[i].rule] = &p->reading.matches.items[i];
	return p->reading.result;
}

const struct message *probe_message(const struct probe *p)
{
	return &p->reading.message;
}

const struct match *probe_match(const struct probe *p, size_t index)
{
	return p->matches[p->first[index]];
}

/* Why a part does not hold: the pieces behind it up to the next part tell. */
static struct probe_answer why(const struct probe *p, size_t piece, size_t end)
{
	struct probe_answer answer = {.failure = PROBE_MISSING, .part = p->pieces.items[piece].part};

	while (++piece < end && p->pieces.items[piece].kind != PIECE_PART) {
		const struct match *match = p->matches[piece];
		if (!match)
			continue;
		switch (p->pieces.items[piece].kind) {
		case PIECE_NO_ALLOW:
			answer.failure = PROBE_ALLOW;
			return answer;
		case PIECE_ALL_TEXTS:
			answer.failure = PROBE_TEXT;
			answer.filter = filter_names[p->pieces.items[piece].filter];
			return answer;
		case PIECE_OPEN: /* it is there, and no one thing keeps it */
			answer.failure = PROBE_SEVERAL;
			return answer;
		case PIECE_INSIDE:
			answer.failure = PROBE_FORBIDDEN;
			answer.hits = match->hits;
			answer.hit_count = match->hit_count;
			return answer;
		case PIECE_WHOLE:
		case PIECE_WORDS:
		case PIECE_FILTER:
		case PIECE_PART:
			UNREACHABLE("not a piece behind a part");
		}
	}
	return answer;
}

struct probe_answer probe_answer(const struct probe *p, size_t index)
{
	struct probe_answer answer = {.failure = PROBE_NOTHING};
	size_t failed = 0, filters = 0, end = p->first[index + 1];
	const struct match *words = NULL;

	if (probe_match(p, index))
		return answer;
	for (size_t i = p->first[index] + 1; i < end; i++) {
		enum piece_kind kind = p->pieces.items[i].kind;
		filters += kind == PIECE_FILTER;
		if (kind == PIECE_WORDS)
			words = p->matches[i];
		if ((kind != PIECE_FILTER && kind != PIECE_PART) || p->matches[i])
			continue;
		failed++;
		if (kind == PIECE_PART)
			answer = why(p, i, end);
		else
			answer = (struct probe_answer){.failure = PROBE_FILTER,
						       .filter = filter_names[p->pieces.items[i].filter]};
	}
	/* «Nearly» needs that something of the rule is there: a word, or most of several filters. */
	bool near = p->set->rules[index].match ? words != NULL : filters > 1;
	if (failed != 1 || !near)
		answer.failure = PROBE_SEVERAL;
	if (words && !answer.hits) {
		answer.hits = words->hits;
		answer.hit_count = words->hit_count;
	}
	return answer;
}
