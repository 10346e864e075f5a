-- What people look at. A reader needs no table; each view shows only the companies that who asks
-- may see (chatmill.corp_access). `(SELECT visible_corps())` is worked out once for each query.

CREATE VIEW chatmill.customer_360 WITH (security_barrier) AS
SELECT
	c.corpid, c.external_userid,
	coalesce(s.stages, '{}') AS stages,
	coalesce(t.tags, '{}') AS tags,
	coalesce(a.open_alerts, 0) AS open_alerts,
	coalesce(m.messages_in, 0) AS messages_in,
	coalesce(m.messages_out, 0) AS messages_out,
	m.last_contact,
	greatest(s.changed_at, t.changed_at, a.changed_at) AS changed_at
FROM (
	SELECT corpid, external_userid FROM chatmill.customer_tag
	UNION
	SELECT corpid, external_userid FROM chatmill.customer_stage
	UNION
	SELECT corpid, customer FROM chatmill.alert WHERE customer <> ''
) AS c(corpid, external_userid)
LEFT JOIN LATERAL (
	SELECT jsonb_object_agg(x.ladder, x.stage) FILTER (WHERE x.stage IS NOT NULL) AS stages,
		max(x.since) AS changed_at
	FROM chatmill.customer_stage x
	WHERE x.corpid = c.corpid AND x.external_userid = c.external_userid
) s ON true
LEFT JOIN LATERAL (
	SELECT array_agg(x."group" || '/' || x.tag ORDER BY x."group", x.tag)
			FILTER (WHERE x.removed_at IS NULL) AS tags,
		max(coalesce(x.removed_at, x.since)) AS changed_at
	FROM chatmill.customer_tag x
	WHERE x.corpid = c.corpid AND x.external_userid = c.external_userid
) t ON true
LEFT JOIN LATERAL (
	SELECT count(*) FILTER (WHERE x.status = 'open' AND NOT x.recalled) AS open_alerts,
		max(x."time") AS changed_at
	FROM chatmill.alert x
	WHERE x.corpid = c.corpid AND x.customer = c.external_userid AND x.customer <> ''
) a ON true
LEFT JOIN LATERAL (
	SELECT count(*) FILTER (WHERE x.role = 'customer') AS messages_in,
		count(*) FILTER (WHERE x.role <> 'customer') AS messages_out,
		max(x.msgtime) AS last_contact
	FROM chatmill.message x
	WHERE x.corpid = c.corpid AND x.external_userid = c.external_userid AND x.external_userid <> ''
) m ON true
WHERE (SELECT chatmill.visible_corps() IS NULL)
   OR c.corpid = ANY ((SELECT chatmill.visible_corps())::text[]);
COMMENT ON VIEW chatmill.customer_360 IS 'One row for each customer: where they stand';
COMMENT ON COLUMN chatmill.customer_360.corpid IS 'The company (WeCom corpid)';
COMMENT ON COLUMN chatmill.customer_360.external_userid IS 'The customer';
COMMENT ON COLUMN chatmill.customer_360.stages IS 'Stage on each ladder: {"ladder": "stage"}';
COMMENT ON COLUMN chatmill.customer_360.tags IS 'Tags the customer has, as group/tag';
COMMENT ON COLUMN chatmill.customer_360.open_alerts IS 'Alerts that nobody has reviewed';
COMMENT ON COLUMN chatmill.customer_360.messages_in IS 'Messages of the customer (with the archive)';
COMMENT ON COLUMN chatmill.customer_360.messages_out IS 'Messages to the customer (with the archive)';
COMMENT ON COLUMN chatmill.customer_360.last_contact IS 'Newest message (with the archive)';
COMMENT ON COLUMN chatmill.customer_360.changed_at IS 'Newest change of stage, tag or alert';

CREATE VIEW chatmill.stage_funnel WITH (security_barrier) AS
SELECT
	d.corpid, d.ladder, d.stage, d.day, d.entered, d.exited,
	(sum(d.entered - d.exited) OVER until_day)::bigint AS customers
FROM (
	SELECT corpid, ladder, stage, day, sum(entered)::bigint AS entered, sum(exited)::bigint AS exited
	FROM chatmill.stage_day
	GROUP BY corpid, ladder, stage, day
) d
WHERE (SELECT chatmill.visible_corps() IS NULL)
   OR d.corpid = ANY ((SELECT chatmill.visible_corps())::text[])
WINDOW until_day AS (PARTITION BY d.corpid, d.ladder, d.stage ORDER BY d.day);
COMMENT ON VIEW chatmill.stage_funnel IS
	'Customers by ladder and stage, with who entered and left on each day; the last day shows today';
COMMENT ON COLUMN chatmill.stage_funnel.corpid IS 'The company (WeCom corpid)';
COMMENT ON COLUMN chatmill.stage_funnel.ladder IS 'The ladder';
COMMENT ON COLUMN chatmill.stage_funnel.stage IS 'The stage';
COMMENT ON COLUMN chatmill.stage_funnel.day IS 'The day in UTC';
COMMENT ON COLUMN chatmill.stage_funnel.entered IS 'Customers that entered the stage on that day';
COMMENT ON COLUMN chatmill.stage_funnel.exited IS 'Customers that left it on that day';
COMMENT ON COLUMN chatmill.stage_funnel.customers IS 'Customers in the stage at the end of that day';

CREATE VIEW chatmill.alert_board WITH (security_barrier) AS
SELECT
	a.alert_id, a.corpid, a.severity, a.category, a.title, a.customer, a.room, a.staff,
	a.sender, a.sender_role, a.msgtime, a.msgid, a.count, a.recalled, a.evidence,
	a.pack, a.rule, a.status, a.reviewed_by, a.reviewed_at, a.note
FROM chatmill.alert a
WHERE (SELECT chatmill.visible_corps() IS NULL)
   OR a.corpid = ANY ((SELECT chatmill.visible_corps())::text[])
-- Newest first. The order stands here because a planner cannot push one through security_barrier:
-- the newest 50 of a company then come from an index instead of a sort of all.
ORDER BY a.msgtime DESC;
COMMENT ON VIEW chatmill.alert_board IS 'Alerts and their reviews';
COMMENT ON COLUMN chatmill.alert_board.alert_id IS 'Id of the alert';
COMMENT ON COLUMN chatmill.alert_board.corpid IS 'The company (WeCom corpid)';
COMMENT ON COLUMN chatmill.alert_board.severity IS 'low, medium, high or critical';
COMMENT ON COLUMN chatmill.alert_board.category IS 'Category, as the rule says';
COMMENT ON COLUMN chatmill.alert_board.title IS 'Title of the rule';
COMMENT ON COLUMN chatmill.alert_board.customer IS 'The customer; empty: none';
COMMENT ON COLUMN chatmill.alert_board.room IS 'The group chat; empty: a single chat';
COMMENT ON COLUMN chatmill.alert_board.staff IS 'Staff in the conversation';
COMMENT ON COLUMN chatmill.alert_board.sender IS 'Who sent the message';
COMMENT ON COLUMN chatmill.alert_board.sender_role IS 'customer, staff or robot';
COMMENT ON COLUMN chatmill.alert_board.msgtime IS 'When the message was sent';
COMMENT ON COLUMN chatmill.alert_board.msgid IS 'The message';
COMMENT ON COLUMN chatmill.alert_board.count IS 'How many such messages the alert stands for';
COMMENT ON COLUMN chatmill.alert_board.recalled IS 'The message was recalled by its sender';
COMMENT ON COLUMN chatmill.alert_board.evidence IS 'What was found, and where';
COMMENT ON COLUMN chatmill.alert_board.pack IS 'Pack of the rule';
COMMENT ON COLUMN chatmill.alert_board.rule IS 'The rule';
COMMENT ON COLUMN chatmill.alert_board.status IS 'open, confirmed or dismissed';
COMMENT ON COLUMN chatmill.alert_board.reviewed_by IS 'Who last reviewed it';
COMMENT ON COLUMN chatmill.alert_board.reviewed_at IS 'When';
COMMENT ON COLUMN chatmill.alert_board.note IS 'Words of the reviewer';

CREATE VIEW chatmill.alert_context WITH (security_barrier) AS
SELECT
	a.alert_id, a.corpid, x.place, x.msgid, x.sender, x.role, x.type, x.msgtime, x.text
FROM chatmill.alert a
JOIN chatmill.message c ON c.corpid = a.corpid AND c.msgid = a.msgid
	AND c.day = (a.msgtime AT TIME ZONE 'UTC')::date
CROSS JOIN LATERAL (
	(SELECT -row_number() OVER (ORDER BY m.msgtime DESC, m.msgid DESC) AS place,
		m.msgid, m.sender, m.role, m.type, m.msgtime, m.text
	 FROM chatmill.message m
	 WHERE m.corpid = c.corpid AND m.conversation = c.conversation
	   AND (m.msgtime, m.msgid) < (c.msgtime, c.msgid::text)
	 ORDER BY m.msgtime DESC, m.msgid DESC LIMIT 5)
	UNION ALL
	SELECT 0, c.msgid, c.sender, c.role, c.type, c.msgtime, c.text
	UNION ALL
	(SELECT row_number() OVER (ORDER BY m.msgtime, m.msgid),
		m.msgid, m.sender, m.role, m.type, m.msgtime, m.text
	 FROM chatmill.message m
	 WHERE m.corpid = c.corpid AND m.conversation = c.conversation
	   AND (m.msgtime, m.msgid) > (c.msgtime, c.msgid::text)
	 ORDER BY m.msgtime, m.msgid LIMIT 5)
) x
WHERE (SELECT chatmill.visible_corps() IS NULL)
   OR a.corpid = ANY ((SELECT chatmill.visible_corps())::text[]);
COMMENT ON VIEW chatmill.alert_context IS
	'The message of each alert with five messages either side (with the archive)';
COMMENT ON COLUMN chatmill.alert_context.alert_id IS 'Id of the alert';
COMMENT ON COLUMN chatmill.alert_context.corpid IS 'The company (WeCom corpid)';
COMMENT ON COLUMN chatmill.alert_context.place IS '0: the message itself; -5 … 5: before and after it';
COMMENT ON COLUMN chatmill.alert_context.msgid IS 'The message';
COMMENT ON COLUMN chatmill.alert_context.sender IS 'Who sent it';
COMMENT ON COLUMN chatmill.alert_context.role IS 'customer, staff or robot';
COMMENT ON COLUMN chatmill.alert_context.type IS 'Type of WeCom';
COMMENT ON COLUMN chatmill.alert_context.msgtime IS 'When it was sent';
COMMENT ON COLUMN chatmill.alert_context.text IS 'What a person can read of it';

CREATE VIEW chatmill.staff_alerts WITH (security_barrier) AS
SELECT
	d.corpid, d.staff, date_trunc('week', d.day::timestamp)::date AS week,
	sum(d.alerts)::bigint AS alerts,
	coalesce(sum(d.alerts) FILTER (WHERE d.severity IN ('high', 'critical')), 0)::bigint AS severe,
	sum(d.recalled)::bigint AS recalled,
	sum(d.confirmed)::bigint AS confirmed,
	sum(d.dismissed)::bigint AS dismissed
FROM chatmill.alert_day d
WHERE (SELECT chatmill.visible_corps() IS NULL)
   OR d.corpid = ANY ((SELECT chatmill.visible_corps())::text[])
GROUP BY d.corpid, d.staff, date_trunc('week', d.day::timestamp);
COMMENT ON VIEW chatmill.staff_alerts IS
	'Alerts by employee and week; an alert counts for each employee in the conversation';
COMMENT ON COLUMN chatmill.staff_alerts.corpid IS 'The company (WeCom corpid)';
COMMENT ON COLUMN chatmill.staff_alerts.staff IS 'The employee; empty: nobody was in the conversation';
COMMENT ON COLUMN chatmill.staff_alerts.week IS 'Monday of the week (UTC) of the message';
COMMENT ON COLUMN chatmill.staff_alerts.alerts IS 'How many alerts';
COMMENT ON COLUMN chatmill.staff_alerts.severe IS 'How many of them are high or critical';
COMMENT ON COLUMN chatmill.staff_alerts.recalled IS 'How many of them rest on a recalled message';
COMMENT ON COLUMN chatmill.staff_alerts.confirmed IS 'How many a reviewer confirmed';
COMMENT ON COLUMN chatmill.staff_alerts.dismissed IS 'How many a reviewer dismissed';

CREATE VIEW chatmill.customer_timeline WITH (security_barrier) AS
SELECT x.corpid, x.external_userid, x."time", x.kind, x.what, x.pack, x.rule, x.msgid, x.detail
FROM (
	SELECT corpid, external_userid, "time", 'tag', cause, pack, rule, msgid,
		jsonb_build_object('add', "add", 'remove', remove)
	FROM chatmill.tag_event
	UNION ALL
	SELECT corpid, external_userid, "time", 'stage', cause, pack, rule, msgid,
		jsonb_build_object('ladder', ladder, 'from', from_stage, 'to', to_stage)
	FROM chatmill.stage_event
	UNION ALL
	SELECT corpid, customer, "time", 'alert', severity, pack, rule, msgid,
		jsonb_build_object('alert_id', alert_id, 'title', title, 'category', category,
			'count', count, 'status', status)
	FROM chatmill.alert WHERE customer <> ''
	UNION ALL
	SELECT corpid, customer, recalled_at, 'recall', severity, pack, rule, msgid,
		jsonb_build_object('alert_id', alert_id)
	FROM chatmill.alert WHERE customer <> '' AND recalled_at IS NOT NULL
	UNION ALL
	SELECT corpid, external_userid, msgtime,
		CASE WHEN type IN ('agree', 'disagree') THEN 'consent'
		     WHEN type = 'revoke' THEN 'recall' ELSE 'message' END,
		type, '', '', msgid, jsonb_build_object('sender', sender, 'role', role, 'text', text)
	FROM chatmill.message WHERE external_userid <> ''
) AS x(corpid, external_userid, "time", kind, what, pack, rule, msgid, detail)
WHERE (SELECT chatmill.visible_corps() IS NULL)
   OR x.corpid = ANY ((SELECT chatmill.visible_corps())::text[]);
COMMENT ON VIEW chatmill.customer_timeline IS
	'All that is known of a customer; ask for one customer, ORDER BY time';
COMMENT ON COLUMN chatmill.customer_timeline.corpid IS 'The company (WeCom corpid)';
COMMENT ON COLUMN chatmill.customer_timeline.external_userid IS 'The customer';
COMMENT ON COLUMN chatmill.customer_timeline."time" IS 'When it happened';
COMMENT ON COLUMN chatmill.customer_timeline.kind IS 'tag, stage, alert, recall, consent or message';
COMMENT ON COLUMN chatmill.customer_timeline.what IS
	'Cause of a tag or stage, severity of an alert, type of a message';
COMMENT ON COLUMN chatmill.customer_timeline.pack IS 'Pack of the rule; empty: none';
COMMENT ON COLUMN chatmill.customer_timeline.rule IS 'The rule; empty: none';
COMMENT ON COLUMN chatmill.customer_timeline.msgid IS 'The message';
COMMENT ON COLUMN chatmill.customer_timeline.detail IS 'The rest, by kind';
