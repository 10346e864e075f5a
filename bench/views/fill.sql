-- fill.sql - rows of many customers and events as the sink would have left them; for bench/views.py.
--
-- psql variables: customers, events, messages. Two years up to today, 4 companies, 200 employees of
-- each. Half of the events are tags, three tenths stages, two tenths alerts. Who is active is
-- skewed: the busiest customer has some hundred times the events of the middle one. Columns that no
-- view reads (evidence, ids of rules) hold one short value.
\set ON_ERROR_STOP on
SET synchronous_commit = off;
SET work_mem = '256MB';
SET maintenance_work_mem = '512MB';
SET jit = off;
SELECT setseed(0.7);

SELECT chatmill.make_partitions(array_agg(m::date))
FROM generate_series(date_trunc('month', now() - interval '24 months'), now(), interval '1 month') m \gset made_

CREATE FUNCTION pg_temp.customer(n bigint) RETURNS text LANGUAGE sql IMMUTABLE
AS $$ SELECT 'wm' || lpad(n::text, 30, '0') $$;
CREATE FUNCTION pg_temp.corp(n bigint) RETURNS text LANGUAGE sql IMMUTABLE
AS $$ SELECT 'ww' || n % 4 $$;
CREATE FUNCTION pg_temp.staff(n bigint) RETURNS text LANGUAGE sql IMMUTABLE
AS $$ SELECT 'staff' || n % 4 || '-' || n / 4 % 200 $$;

-- Who, when, what: in the order of time, as a topic brings them. Each customer gets one event, the
-- rest falls on the active.
CREATE UNLOGGED TABLE public.happened AS
SELECT i, least(CASE WHEN i <= :customers THEN i - 1 ELSE floor(:customers * power(random(), 1.5)) END,
		:customers - 1)::bigint AS c,
	now() - interval '24 months' + interval '24 months' * (i::float8 / :events) AS at,
	random() AS what, random() AS which
FROM generate_series(1, :events) AS i;

INSERT INTO chatmill.tag_event (event_id, day, corpid, external_userid, "time", msgtime, sequence,
	cause, late, "add", remove, userids, roomid, chat, sender, sender_role, msgid, pack, rule,
	ruleset, by, evidence)
SELECT gen_random_uuid(), (at AT TIME ZONE 'UTC')::date, pg_temp.corp(c), pg_temp.customer(c), at, at, i,
	'rule', false,
	CASE WHEN which < 0.7 THEN jsonb_build_array(jsonb_build_object('group', '意向', 'tag', 'tag' || i % 10))
	     ELSE '[]' END,
	CASE WHEN which < 0.7 THEN '[]'
	     ELSE jsonb_build_array(jsonb_build_object('group', '意向', 'tag', 'tag' || i % 10)) END,
	ARRAY[pg_temp.staff(c)], '', 'single', pg_temp.customer(c), 'customer', 'm' || i, 'sales', 'ask-price',
	'sha256:0', '', '[{"field": "text.content", "start": 6, "end": 15, "word": "多少钱"}]'
FROM public.happened WHERE what < 0.5 ORDER BY i;

INSERT INTO chatmill.stage_event (event_id, day, corpid, external_userid, "time", msgtime, sequence,
	cause, late, ladder, from_stage, to_stage, "add", remove, userids, roomid, chat, sender,
	sender_role, msgid, pack, rule, ruleset, by, evidence)
SELECT gen_random_uuid(), (at AT TIME ZONE 'UTC')::date, corp, customer, at, at, i, 'rule', false,
	'life', lag(stage) OVER w, stage, '[]', '[]', ARRAY[pg_temp.staff(c)], '', 'single', customer,
	'customer', 'm' || i, 'sales', 'life', 'sha256:0', '', '[]'
FROM (SELECT *, pg_temp.corp(c) AS corp, pg_temp.customer(c) AS customer,
	'stage' || floor(which * 8) AS stage
      FROM public.happened WHERE what >= 0.5 AND what < 0.8) e
WINDOW w AS (PARTITION BY corp, customer ORDER BY i);

INSERT INTO chatmill.alert (alert_id, corpid, subject, customer, room, staff, severity, category,
	title, pack, rule, ruleset, "time", msgtime, chat, sender, sender_role, msgid, evidence, count,
	msgids, recalled, sequence, status)
SELECT gen_random_uuid(), pg_temp.corp(c), pg_temp.customer(c), pg_temp.customer(c), '',
	ARRAY[pg_temp.staff(c)], (ARRAY['low', 'medium', 'high', 'critical'])[1 + floor(which * 4)],
	'飞单', '私下交易', 'duty', 'off-platform', 'sha256:0', at, at, 'single', pg_temp.customer(c),
	'customer', 'm' || i, '[]', 1, ARRAY['m' || i], false, i,
	CASE WHEN at < now() - interval '14 days' AND random() < 0.95 THEN 'dismissed' ELSE 'open' END
FROM public.happened WHERE what >= 0.8 ORDER BY i;

INSERT INTO chatmill.message (corpid, msgid, day, conversation, external_userid, sender, role, type,
	msgtime, text, raw, dictionary)
SELECT pg_temp.corp(c), 'm' || i, (at AT TIME ZONE 'UTC')::date,
	least(pg_temp.customer(c), pg_temp.staff(c)) || '/' || greatest(pg_temp.customer(c), pg_temp.staff(c)),
	pg_temp.customer(c), pg_temp.customer(c), 'customer', 'text', at,
	'请问这个多少钱？可以便宜一点吗', sha256(int8send(i)) || sha256(int8send(-i)), 0
FROM public.happened WHERE i > :events - :messages ORDER BY i;

-- What the events leave of each customer, and the daily counts.
INSERT INTO chatmill.customer_tag (corpid, external_userid, "group", tag, wecom_id, userids, since,
	removed_at, pack, rule, msgid, sequence)
SELECT DISTINCT ON (pg_temp.corp(c), pg_temp.customer(c), i % 10) pg_temp.corp(c), pg_temp.customer(c),
	'意向', 'tag' || i % 10, '', ARRAY[pg_temp.staff(c)], at, CASE WHEN which < 0.7 THEN NULL ELSE at END,
	'sales', 'ask-price', 'm' || i, i
FROM public.happened WHERE what < 0.5
ORDER BY pg_temp.corp(c), pg_temp.customer(c), i % 10, i DESC;

INSERT INTO chatmill.customer_stage (corpid, external_userid, ladder, stage, since, previous, pack, rule,
	msgid, sequence)
SELECT DISTINCT ON (corpid, external_userid) corpid, external_userid, ladder, to_stage, "time", from_stage,
	pack, rule, msgid, sequence
FROM chatmill.stage_event ORDER BY corpid, external_userid, sequence DESC;

-- Two sinks counted.
INSERT INTO chatmill.stage_day (corpid, ladder, stage, day, shard, entered, exited)
SELECT corpid, ladder, stage, day, shard, sum(entered), sum(exited) FROM (
	SELECT corpid, ladder, to_stage AS stage, day, sequence % 2 AS shard, 1 AS entered, 0 AS exited
	FROM chatmill.stage_event
	UNION ALL
	SELECT corpid, ladder, from_stage, day, sequence % 2, 0, 1 FROM chatmill.stage_event
	WHERE from_stage IS NOT NULL) m
GROUP BY 1, 2, 3, 4, 5 ORDER BY 4;

INSERT INTO chatmill.alert_week (corpid, week, staff, shard, alerts, severe, dismissed)
SELECT corpid, date_trunc('week', msgtime AT TIME ZONE 'UTC')::date, s, sequence % 2, count(*),
	count(*) FILTER (WHERE severity IN ('high', 'critical')), count(*) FILTER (WHERE status = 'dismissed')
FROM chatmill.alert, unnest(staff) AS s GROUP BY 1, 2, 3, 4 ORDER BY 2;

DROP TABLE public.happened;
VACUUM (ANALYZE);
