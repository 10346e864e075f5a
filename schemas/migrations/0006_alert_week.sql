-- Alerts of an employee counted by week, as the view asks for them; and a function that removes old
-- months. Until here alerts were counted by day and severity: a board of eight weeks of 200
-- employees then added up 30,000 rows, now a tenth of that (docs/database.md).
CREATE TABLE chatmill.alert_week (
	corpid chatmill.name NOT NULL,
	week date NOT NULL,
	staff chatmill.name NOT NULL,
	shard integer NOT NULL,
	alerts bigint NOT NULL DEFAULT 0,
	severe bigint NOT NULL DEFAULT 0,
	recalled bigint NOT NULL DEFAULT 0,
	confirmed bigint NOT NULL DEFAULT 0,
	dismissed bigint NOT NULL DEFAULT 0,
	PRIMARY KEY (corpid, week, staff, shard)
) WITH (fillfactor = 50);
CREATE INDEX ON chatmill.alert_week (corpid, staff);
COMMENT ON TABLE chatmill.alert_week IS
	'Alerts of each employee by week; written with the alerts and their reviews';
COMMENT ON COLUMN chatmill.alert_week.corpid IS 'The company (WeCom corpid)';
COMMENT ON COLUMN chatmill.alert_week.week IS 'Monday of the week (UTC) of the message';
COMMENT ON COLUMN chatmill.alert_week.staff IS 'The employee in the conversation; empty: nobody';
COMMENT ON COLUMN chatmill.alert_week.shard IS
	'Who counted: a partition of its sink, so that sinks do not wait for each other; -1: reviews';
COMMENT ON COLUMN chatmill.alert_week.alerts IS 'How many alerts';
COMMENT ON COLUMN chatmill.alert_week.severe IS 'How many of them are high or critical';
COMMENT ON COLUMN chatmill.alert_week.recalled IS 'How many of them rest on a recalled message';
COMMENT ON COLUMN chatmill.alert_week.confirmed IS 'How many a reviewer confirmed';
COMMENT ON COLUMN chatmill.alert_week.dismissed IS 'How many a reviewer dismissed';

INSERT INTO chatmill.alert_week (corpid, week, staff, shard, alerts, severe, recalled, confirmed, dismissed)
SELECT corpid, date_trunc('week', day::timestamp)::date, staff, shard, sum(alerts),
	coalesce(sum(alerts) FILTER (WHERE severity IN ('high', 'critical')), 0),
	sum(recalled), sum(confirmed), sum(dismissed)
FROM chatmill.alert_day GROUP BY 1, 2, 3, 4;

CREATE OR REPLACE VIEW chatmill.staff_alerts WITH (security_barrier) AS
SELECT
	d.corpid, d.staff, d.week,
	sum(d.alerts)::bigint AS alerts,
	sum(d.severe)::bigint AS severe,
	sum(d.recalled)::bigint AS recalled,
	sum(d.confirmed)::bigint AS confirmed,
	sum(d.dismissed)::bigint AS dismissed
FROM chatmill.alert_week d
WHERE (SELECT chatmill.visible_corps() IS NULL)
   OR d.corpid = ANY ((SELECT chatmill.visible_corps())::text[])
GROUP BY d.corpid, d.staff, d.week;

CREATE OR REPLACE FUNCTION chatmill.count_review() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	asking name := coalesce(nullif(current_setting('role', true), 'none'), session_user);
BEGIN
	NEW.reviewed_by := asking;
	NEW.reviewed_at := clock_timestamp();
	INSERT INTO chatmill.alert_review (alert_id, at, by, status, note)
	VALUES (NEW.alert_id, NEW.reviewed_at, asking, NEW.status, NEW.note);
	IF NEW.status <> OLD.status THEN
		INSERT INTO chatmill.alert_week AS w (corpid, week, staff, shard, confirmed, dismissed)
		SELECT NEW.corpid, date_trunc('week', NEW.msgtime AT TIME ZONE 'UTC')::date, s.staff, -1,
			(NEW.status = 'confirmed')::int - (OLD.status = 'confirmed')::int,
			(NEW.status = 'dismissed')::int - (OLD.status = 'dismissed')::int
		FROM (SELECT DISTINCT unnest(CASE WHEN NEW.staff = '{}' THEN '{""}' ELSE NEW.staff END)
		      AS staff ORDER BY 1) s
		ON CONFLICT (corpid, week, staff, shard) DO UPDATE
		SET confirmed = w.confirmed + EXCLUDED.confirmed, dismissed = w.dismissed + EXCLUDED.dismissed;
	END IF;
	RETURN NEW;
END
$$;

DROP TABLE chatmill.alert_day;

CREATE FUNCTION chatmill.drop_months(before date) RETURNS text[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	parent text;
	child text;
	dropped text[] := '{}';
BEGIN
	FOREACH parent IN ARRAY ARRAY['message', 'stage_event', 'tag_event']
	LOOP
		FOR child IN
			SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
			WHERE i.inhparent = to_regclass('chatmill.' || parent)
			  AND c.relname ~ ('^' || parent || '_\d{6}$')
			  AND to_date(right(c.relname, 6), 'YYYYMM') + interval '1 month' <= before
			ORDER BY 1
		LOOP
			EXECUTE format('DROP TABLE chatmill.%I', child);
			dropped := dropped || child;
		END LOOP;
		EXECUTE format('DELETE FROM chatmill.%I WHERE day < %L', parent || '_default', before);
	END LOOP;
	RETURN dropped;
END
$$;
REVOKE ALL ON FUNCTION chatmill.drop_months(date) FROM PUBLIC;
COMMENT ON FUNCTION chatmill.drop_months IS
	'Removes events and messages of the months that ended before this day; for the owner alone';

DO $$
BEGIN
	IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'chatmill_sink') THEN
		GRANT SELECT, INSERT, UPDATE ON chatmill.alert_week TO chatmill_sink;
	END IF;
END
$$;
