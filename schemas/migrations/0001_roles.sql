-- Roles, the schema, and the list of migrations.
--
-- Roles belong to the whole cluster, so they are made only when missing and when the one who
-- migrates may. Without them the objects belong to whoever migrates and nothing is granted; a DBA
-- can run this file's first block as a superuser before `chatmill db migrate`.
DO $$
DECLARE
	r record;
BEGIN
	FOR r IN SELECT * FROM (VALUES
		('chatmill_owner', 'NOLOGIN', 'chatmill: owns the schema, migrates it'),
		('chatmill_sink', 'LOGIN', 'chatmill: writes rows, never deletes'),
		('chatmill_reader', 'NOLOGIN', 'chatmill: reads the views'),
		('chatmill_reviewer', 'NOLOGIN', 'chatmill: reads the views, reviews alerts')
	) AS wanted(name, login, comment)
	LOOP
		CONTINUE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = r.name);
		BEGIN
			EXECUTE format('CREATE ROLE %I %s', r.name, r.login);
			EXECUTE format('COMMENT ON ROLE %I IS %L', r.name, r.comment);
		EXCEPTION
			WHEN insufficient_privilege THEN
				RAISE NOTICE 'role % is missing and % may not create it', r.name, current_user;
			WHEN duplicate_object OR unique_violation THEN
				NULL; -- another database of the cluster migrates at the same time
		END;
	END LOOP;

	IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'chatmill_owner')
	   AND NOT pg_has_role(current_user, 'chatmill_owner', 'MEMBER') THEN
		BEGIN
			EXECUTE format('GRANT chatmill_owner TO %I', current_user);
		EXCEPTION WHEN insufficient_privilege THEN
			RAISE NOTICE '% is no member of chatmill_owner and will own the objects', current_user;
		END;
	END IF;

	IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'chatmill') THEN
		IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'chatmill_owner'
			   AND pg_has_role(current_user, oid, 'MEMBER')) THEN
			CREATE SCHEMA chatmill AUTHORIZATION chatmill_owner;
		ELSE
			CREATE SCHEMA chatmill;
		END IF;
	END IF;
	-- What follows belongs to the owner of the schema, if we may act for it.
	PERFORM set_config('role', pg_get_userbyid(nspowner)::text, true)
	FROM pg_namespace
	WHERE nspname = 'chatmill' AND pg_has_role(current_user, nspowner, 'MEMBER');
END
$$;

COMMENT ON SCHEMA chatmill IS
	'Tags, stages and alerts that chatmill found in WeCom conversations';

CREATE TABLE chatmill.migration (
	version integer PRIMARY KEY,
	name text NOT NULL,
	checksum text NOT NULL,
	applied_at timestamptz NOT NULL DEFAULT now(),
	applied_by text NOT NULL DEFAULT session_user
);
COMMENT ON TABLE chatmill.migration IS 'Versions of this schema that were applied';
COMMENT ON COLUMN chatmill.migration.version IS 'Number of the migration';
COMMENT ON COLUMN chatmill.migration.name IS 'File name of the migration';
COMMENT ON COLUMN chatmill.migration.checksum IS 'SHA-256 of its text when it was applied';
COMMENT ON COLUMN chatmill.migration.applied_at IS 'When it was applied';
COMMENT ON COLUMN chatmill.migration.applied_by IS 'Who applied it';
