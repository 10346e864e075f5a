-- Functions: partitions, HMAC, who sees which company, reviews, erasure. All have a fixed
-- search_path; those that act for the owner are executable only by the role that needs them.

CREATE FUNCTION chatmill.make_partitions(months date[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	month date;
	parent text;
	child text;
	made integer := 0;
BEGIN
	FOR month IN SELECT DISTINCT date_trunc('month', m)::date FROM unnest(months) AS m ORDER BY 1
	LOOP
		-- A message from 1970 or 2036 stays in the default partition: its date is wrong.
		CONTINUE WHEN month < date '2010-01-01' OR month > now() + interval '4 months';
		FOREACH parent IN ARRAY ARRAY['message', 'stage_event', 'tag_event']
		LOOP
			child := parent || to_char(month, '_YYYYMM');
			CONTINUE WHEN to_regclass('chatmill.' || child) IS NOT NULL;
			-- One at a time, and nobody may put rows of this month into the default meanwhile.
			EXECUTE format('LOCK TABLE chatmill.%I IN ACCESS EXCLUSIVE MODE', parent || '_default');
			CONTINUE WHEN to_regclass('chatmill.' || child) IS NOT NULL;
			EXECUTE format('CREATE TABLE chatmill.%I (LIKE chatmill.%I INCLUDING DEFAULTS '
				'INCLUDING CONSTRAINTS INCLUDING STORAGE INCLUDING COMMENTS)', child, parent);
			EXECUTE format('COMMENT ON TABLE chatmill.%I IS %L', child,
				format('Rows of %s in %s', parent, to_char(month, 'YYYY-MM')));
			EXECUTE format('WITH moved AS (DELETE FROM chatmill.%I WHERE day >= %L AND day < %L '
				'RETURNING *) INSERT INTO chatmill.%I SELECT * FROM moved', parent || '_default',
				month, (month + interval '1 month')::date, child);
			EXECUTE format('ALTER TABLE chatmill.%I ATTACH PARTITION chatmill.%I '
				'FOR VALUES FROM (%L) TO (%L)', parent, child, month,
				(month + interval '1 month')::date);
			made := made + 1;
		END LOOP;
	END LOOP;
	RETURN made;
END
$$;
COMMENT ON FUNCTION chatmill.make_partitions IS
	'Makes the partitions of these months that are missing; rows in the default move over';

DO $$
DECLARE
	parent text;
BEGIN
	FOREACH parent IN ARRAY ARRAY['message', 'stage_event', 'tag_event']
	LOOP
		EXECUTE format('CREATE TABLE chatmill.%I (LIKE chatmill.%I INCLUDING DEFAULTS '
			'INCLUDING CONSTRAINTS INCLUDING STORAGE INCLUDING COMMENTS)', parent || '_default', parent);
		EXECUTE format('ALTER TABLE chatmill.%I ATTACH PARTITION chatmill.%I DEFAULT', parent,
			parent || '_default');
		EXECUTE format('COMMENT ON TABLE chatmill.%I IS %L', parent || '_default',
			format('Rows of %s whose month has no partition: their dates are not to be trusted', parent));
	END LOOP;
	PERFORM chatmill.make_partitions(ARRAY[current_date, (current_date + interval '1 month')::date]);
END
$$;

-- The key of the HMAC: 256 bits from two random UUIDs, each with 122 random bits.
DO $$
DECLARE
	key bytea := sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8'));
	inner_pad bytea := decode(repeat('36', 64), 'hex');
	outer_pad bytea := decode(repeat('5c', 64), 'hex');
BEGIN
	FOR i IN 0..31 LOOP
		inner_pad := set_byte(inner_pad, i, get_byte(key, i) # 54);
		outer_pad := set_byte(outer_pad, i, get_byte(key, i) # 92);
	END LOOP;
	INSERT INTO chatmill.secret (inner_pad, outer_pad) VALUES (inner_pad, outer_pad);
END
$$;

CREATE FUNCTION chatmill.subject_hmac(corpid text, subject text) RETURNS bytea
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
	SELECT sha256(s.outer_pad || sha256(s.inner_pad || convert_to(corpid || '/' || subject, 'UTF8')))
	FROM chatmill.secret s
$$;
COMMENT ON FUNCTION chatmill.subject_hmac IS 'The name of a person in chatmill.erased (RFC 2104)';

CREATE FUNCTION chatmill.visible_corps() RETURNS text[]
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	-- Inside a SECURITY DEFINER function current_user is the owner; who asks is the role that
	-- was SET, else the one that logged in.
	asking name := coalesce(nullif(current_setting('role', true), 'none'), session_user);
	corps text[];
BEGIN
	IF NOT EXISTS (SELECT FROM chatmill.corp_access) THEN
		RETURN NULL;
	END IF;
	IF EXISTS (SELECT FROM pg_roles WHERE rolname = asking AND rolsuper)
	   OR pg_has_role(asking, current_user, 'MEMBER') THEN
		RETURN NULL;
	END IF;
	SELECT coalesce(array_agg(a.corpid), '{}') INTO corps
	FROM chatmill.corp_access a JOIN pg_roles r ON r.rolname = a.role
	WHERE pg_has_role(asking, r.oid, 'MEMBER');
	IF '*' = ANY (corps) THEN
		RETURN NULL;
	END IF;
	RETURN corps;
END
$$;
COMMENT ON FUNCTION chatmill.visible_corps IS 'The companies that who asks may see; null: all';

CREATE FUNCTION chatmill.count_review() RETURNS trigger
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
		INSERT INTO chatmill.alert_day AS d
			(corpid, staff, day, severity, shard, confirmed, dismissed)
		SELECT NEW.corpid, s.staff, (NEW.msgtime AT TIME ZONE 'UTC')::date, NEW.severity, -1,
			(NEW.status = 'confirmed')::int - (OLD.status = 'confirmed')::int,
			(NEW.status = 'dismissed')::int - (OLD.status = 'dismissed')::int
		FROM (SELECT DISTINCT unnest(CASE WHEN NEW.staff = '{}' THEN '{""}' ELSE NEW.staff END)
		      AS staff ORDER BY 1) s
		ON CONFLICT (corpid, staff, day, severity, shard) DO UPDATE
		SET confirmed = d.confirmed + EXCLUDED.confirmed, dismissed = d.dismissed + EXCLUDED.dismissed;
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION chatmill.count_review IS 'Notes who reviewed an alert and when';
CREATE TRIGGER review BEFORE UPDATE OF status, note ON chatmill.alert FOR EACH ROW
	WHEN (OLD.status IS DISTINCT FROM NEW.status OR OLD.note IS DISTINCT FROM NEW.note)
	EXECUTE FUNCTION chatmill.count_review();

CREATE FUNCTION chatmill.erase(corpid text, subject text, at timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	who bytea := chatmill.subject_hmac($1, $2);
	removed jsonb := '{}';
	n bigint;
BEGIN
	IF EXISTS (SELECT FROM chatmill.hold h WHERE h.corpid = $1 AND h.subject = $2) THEN
		INSERT INTO chatmill.erase_proof (subject_hmac, at, outcome, rows) VALUES (who, $3, 'held', '{}');
		RETURN 'held';
	END IF;

	INSERT INTO chatmill.erased AS e (subject_hmac, at) VALUES (who, $3)
	ON CONFLICT (subject_hmac) DO UPDATE SET at = greatest(e.at, EXCLUDED.at);

	-- The boards count no one who is gone.
	INSERT INTO chatmill.stage_day AS d (corpid, ladder, stage, day, shard, entered, exited)
	SELECT s.corpid, s.ladder, s.stage, ($3 AT TIME ZONE 'UTC')::date, -1, 0, 1
	FROM chatmill.customer_stage s
	WHERE s.corpid = $1 AND s.external_userid = $2 AND s.stage IS NOT NULL AND s.since < $3
	ORDER BY 2, 3
	ON CONFLICT (corpid, ladder, stage, day, shard) DO UPDATE SET exited = d.exited + 1;

	-- Only what is older than the record: who comes back later is a new person. The event that asks
	-- for the erasure stands on every topic, and newer rows of another topic may be here already.
	DELETE FROM chatmill.customer_tag t WHERE t.corpid = $1 AND t.external_userid = $2
		AND coalesce(greatest(t.since, t.removed_at), '-infinity') < $3;
	GET DIAGNOSTICS n = ROW_COUNT;
	removed := removed || jsonb_build_object('customer_tag', n);
	DELETE FROM chatmill.customer_stage t WHERE t.corpid = $1 AND t.external_userid = $2
		AND t.since < $3;
	GET DIAGNOSTICS n = ROW_COUNT;
	removed := removed || jsonb_build_object('customer_stage', n);
	DELETE FROM chatmill.tag_event t WHERE t.corpid = $1 AND t.external_userid = $2
		AND t.msgtime < $3;
	GET DIAGNOSTICS n = ROW_COUNT;
	removed := removed || jsonb_build_object('tag_event', n);
	DELETE FROM chatmill.stage_event t WHERE t.corpid = $1 AND t.external_userid = $2
		AND t.msgtime < $3;
	GET DIAGNOSTICS n = ROW_COUNT;
	removed := removed || jsonb_build_object('stage_event', n);
	DELETE FROM chatmill.alert_review r USING chatmill.alert a
	WHERE r.alert_id = a.alert_id AND a.corpid = $1 AND a.subject = $2 AND a.msgtime < $3;
	GET DIAGNOSTICS n = ROW_COUNT;
	removed := removed || jsonb_build_object('alert_review', n);
	DELETE FROM chatmill.alert a WHERE a.corpid = $1 AND a.subject = $2 AND a.msgtime < $3;
	GET DIAGNOSTICS n = ROW_COUNT;
	removed := removed || jsonb_build_object('alert', n);
	DELETE FROM chatmill.message m WHERE m.corpid = $1 AND m.external_userid = $2
		AND m.external_userid <> '' AND m.msgtime < $3;
	GET DIAGNOSTICS n = ROW_COUNT;
	removed := removed || jsonb_build_object('message', n);
	DELETE FROM chatmill.sink_reject r WHERE r.key = convert_to($1 || '/' || $2, 'UTF8');
	GET DIAGNOSTICS n = ROW_COUNT;
	removed := removed || jsonb_build_object('sink_reject', n);

	INSERT INTO chatmill.erase_proof (subject_hmac, at, outcome, rows) VALUES (who, $3, 'erased', removed);
	RETURN 'erased';
END
$$;
COMMENT ON FUNCTION chatmill.erase IS
	'Removes what is older than the record from all tables and leaves a proof without personal data';
