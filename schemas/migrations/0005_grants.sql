-- Who may do what. The sink writes and never deletes; readers see views; reviewers set status and
-- note of alerts, and nothing else. Roles that do not exist (0001) are left out.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA chatmill FROM PUBLIC;

ALTER TABLE chatmill.alert ENABLE ROW LEVEL SECURITY;
DO $$
DECLARE
	g record;
BEGIN
	FOR g IN SELECT * FROM (VALUES
		('chatmill_sink', 'USAGE ON SCHEMA chatmill'),
		('chatmill_sink', 'SELECT ON chatmill.migration, chatmill.erased, chatmill.secret, '
			'chatmill.message_dictionary, chatmill.hold'),
		('chatmill_sink', 'SELECT, INSERT ON chatmill.pipeline, chatmill.sink_reject, '
			'chatmill.tag_event, chatmill.stage_event, chatmill.message'),
		('chatmill_sink', 'SELECT, INSERT, UPDATE ON chatmill.sink_offset, chatmill.customer_tag, '
			'chatmill.customer_stage, chatmill.stage_day, chatmill.alert_day, chatmill.ruleset'),
		('chatmill_sink', 'INSERT ON chatmill.message_dictionary'),
		('chatmill_sink', 'SELECT, INSERT ON chatmill.alert'),
		-- Not status, reviewed_by, reviewed_at, note: no replay may touch a review.
		('chatmill_sink', 'UPDATE (count, msgids, recalled, recalled_at, sequence) ON chatmill.alert'),
		('chatmill_sink', 'EXECUTE ON FUNCTION chatmill.make_partitions(date[]), '
			'chatmill.subject_hmac(text, text), chatmill.erase(text, text, timestamptz), '
			'chatmill.visible_corps()'),
		('chatmill_reader', 'USAGE ON SCHEMA chatmill'),
		('chatmill_reader', 'SELECT ON chatmill.customer_360, chatmill.stage_funnel, '
			'chatmill.alert_board, chatmill.alert_context, chatmill.staff_alerts, '
			'chatmill.customer_timeline'),
		('chatmill_reader', 'EXECUTE ON FUNCTION chatmill.visible_corps()'),
		('chatmill_reviewer', 'USAGE ON SCHEMA chatmill'),
		('chatmill_reviewer', 'SELECT ON chatmill.alert_board, chatmill.alert_context, '
			'chatmill.alert_review'),
		('chatmill_reviewer', 'SELECT, UPDATE (status, note) ON chatmill.alert'),
		('chatmill_reviewer', 'EXECUTE ON FUNCTION chatmill.visible_corps()')
	) AS wanted(role, privilege)
	LOOP
		IF EXISTS (SELECT FROM pg_roles WHERE rolname = g.role) THEN
			EXECUTE format('GRANT %s TO %I', g.privilege, g.role);
		END IF;
	END LOOP;

	IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'chatmill_sink') THEN
		CREATE POLICY sink ON chatmill.alert TO chatmill_sink USING (true) WITH CHECK (true);
	END IF;
	IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'chatmill_reviewer') THEN
		CREATE POLICY reviewer ON chatmill.alert TO chatmill_reviewer
		USING ((SELECT chatmill.visible_corps() IS NULL)
		       OR corpid = ANY ((SELECT chatmill.visible_corps())::text[]));
		ALTER TABLE chatmill.alert_review ENABLE ROW LEVEL SECURITY;
		CREATE POLICY reviewer ON chatmill.alert_review FOR SELECT TO chatmill_reviewer
		USING (EXISTS (SELECT FROM chatmill.alert a WHERE a.alert_id = alert_review.alert_id));
	END IF;
END
$$;
