-- The tables. Keys are those of the contract; ids and names are at most 256 bytes, as in events.
CREATE DOMAIN chatmill.name AS text COLLATE "C"
	CONSTRAINT name_bytes CHECK (octet_length(VALUE) <= 256);
COMMENT ON DOMAIN chatmill.name IS 'An id or a name: at most 256 bytes of UTF-8';

CREATE TABLE chatmill.pipeline (
	only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
	name chatmill.name NOT NULL,
	since timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE chatmill.pipeline IS 'The one pipeline that this schema serves';
COMMENT ON COLUMN chatmill.pipeline.only_one IS 'Always true: there is one row';
COMMENT ON COLUMN chatmill.pipeline.name IS 'Name of the pipeline, as in its configuration';
COMMENT ON COLUMN chatmill.pipeline.since IS 'When its sink first wrote here';

CREATE TABLE chatmill.sink_offset (
	pipeline chatmill.name NOT NULL,
	topic chatmill.name NOT NULL,
	partition integer NOT NULL,
	next_offset bigint NOT NULL,
	owner text NOT NULL,
	epoch bigint NOT NULL,
	updated_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (pipeline, topic, partition)
) WITH (fillfactor = 50);
COMMENT ON TABLE chatmill.sink_offset IS
	'How far the sink has read; written in the transaction that writes the rows';
COMMENT ON COLUMN chatmill.sink_offset.pipeline IS 'Name of the pipeline';
COMMENT ON COLUMN chatmill.sink_offset.topic IS 'Topic of Kafka';
COMMENT ON COLUMN chatmill.sink_offset.partition IS 'Partition of the topic';
COMMENT ON COLUMN chatmill.sink_offset.next_offset IS
	'The first record that is not yet in the tables; -1: none was read yet';
COMMENT ON COLUMN chatmill.sink_offset.owner IS 'The sink that reads the partition';
COMMENT ON COLUMN chatmill.sink_offset.epoch IS
	'Goes up with each new owner, so that an older one can write no more (fence)';
COMMENT ON COLUMN chatmill.sink_offset.updated_at IS 'When this row was last written';

CREATE TABLE chatmill.sink_reject (
	topic chatmill.name NOT NULL,
	partition integer NOT NULL,
	"offset" bigint NOT NULL,
	key bytea,
	value bytea,
	sqlstate text NOT NULL,
	message text NOT NULL,
	rejected_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (topic, partition, "offset")
);
COMMENT ON TABLE chatmill.sink_reject IS 'Records that the database refused, with the reason';
COMMENT ON COLUMN chatmill.sink_reject.topic IS 'Topic of the record';
COMMENT ON COLUMN chatmill.sink_reject.partition IS 'Partition of the record';
COMMENT ON COLUMN chatmill.sink_reject."offset" IS 'Offset of the record';
COMMENT ON COLUMN chatmill.sink_reject.key IS 'Key of the record: corpid/subject';
COMMENT ON COLUMN chatmill.sink_reject.value IS 'Value of the record: the data of the event';
COMMENT ON COLUMN chatmill.sink_reject.sqlstate IS
	'Why: the SQLSTATE of PostgreSQL (22P02 too where the record is no event)';
COMMENT ON COLUMN chatmill.sink_reject.message IS 'Why, in words, without content of the record';
COMMENT ON COLUMN chatmill.sink_reject.rejected_at IS 'When it was refused';

CREATE TABLE chatmill.customer_tag (
	corpid chatmill.name NOT NULL,
	external_userid chatmill.name NOT NULL,
	"group" chatmill.name NOT NULL,
	tag chatmill.name NOT NULL,
	wecom_id chatmill.name NOT NULL,
	userids text[] NOT NULL,
	since timestamptz,
	removed_at timestamptz,
	pack chatmill.name NOT NULL,
	rule chatmill.name NOT NULL,
	msgid chatmill.name NOT NULL,
	sequence bigint NOT NULL,
	PRIMARY KEY (corpid, external_userid, "group", tag)
) WITH (fillfactor = 90);
COMMENT ON TABLE chatmill.customer_tag IS
	'The tags of each customer, those that were removed too (removed_at)';
COMMENT ON COLUMN chatmill.customer_tag.corpid IS 'The company (WeCom corpid)';
COMMENT ON COLUMN chatmill.customer_tag.external_userid IS 'The customer';
COMMENT ON COLUMN chatmill.customer_tag."group" IS 'Group of the tag';
COMMENT ON COLUMN chatmill.customer_tag.tag IS 'The tag';
COMMENT ON COLUMN chatmill.customer_tag.wecom_id IS 'Id of the tag in WeCom; empty: none';
COMMENT ON COLUMN chatmill.customer_tag.userids IS
	'Staff for whose relation to the customer the tag holds';
COMMENT ON COLUMN chatmill.customer_tag.since IS
	'Since when the customer has (or had) the tag; null: its beginning was never seen';
COMMENT ON COLUMN chatmill.customer_tag.removed_at IS
	'When the tag was taken away; null: the customer has it';
COMMENT ON COLUMN chatmill.customer_tag.pack IS 'Pack of the rule of the last change';
COMMENT ON COLUMN chatmill.customer_tag.rule IS 'Rule of the last change';
COMMENT ON COLUMN chatmill.customer_tag.msgid IS 'Message of the last change';
COMMENT ON COLUMN chatmill.customer_tag.sequence IS
	'Sequence of the last change; only a greater one changes the row';

CREATE TABLE chatmill.customer_stage (
	corpid chatmill.name NOT NULL,
	external_userid chatmill.name NOT NULL,
	ladder chatmill.name NOT NULL,
	stage chatmill.name,
	since timestamptz NOT NULL,
	previous chatmill.name,
	pack chatmill.name NOT NULL,
	rule chatmill.name NOT NULL,
	msgid chatmill.name NOT NULL,
	sequence bigint NOT NULL,
	PRIMARY KEY (corpid, external_userid, ladder)
) WITH (fillfactor = 90);
COMMENT ON TABLE chatmill.customer_stage IS 'Where each customer stands on each ladder';
COMMENT ON COLUMN chatmill.customer_stage.corpid IS 'The company (WeCom corpid)';
COMMENT ON COLUMN chatmill.customer_stage.external_userid IS 'The customer';
COMMENT ON COLUMN chatmill.customer_stage.ladder IS 'The ladder';
COMMENT ON COLUMN chatmill.customer_stage.stage IS
	'The stage; null: none (the message that led to the only one was recalled)';
COMMENT ON COLUMN chatmill.customer_stage.since IS 'Since when the customer is in this stage';
COMMENT ON COLUMN chatmill.customer_stage.previous IS 'The stage before; null: none';
COMMENT ON COLUMN chatmill.customer_stage.pack IS 'Pack of the rule that moved the customer';
COMMENT ON COLUMN chatmill.customer_stage.rule IS 'Rule that moved the customer';
COMMENT ON COLUMN chatmill.customer_stage.msgid IS 'Message that moved the customer';
COMMENT ON COLUMN chatmill.customer_stage.sequence IS
	'Sequence of the last change; only a greater one changes the row';

CREATE TABLE chatmill.tag_event (
	event_id uuid NOT NULL,
	day date NOT NULL,
	corpid chatmill.name NOT NULL,
	external_userid chatmill.name NOT NULL,
	"time" timestamptz NOT NULL,
	msgtime timestamptz NOT NULL,
	sequence bigint NOT NULL,
	cause text NOT NULL CHECK (cause IN ('rule', 'staff', 'expiry', 'recall', 'manual')),
	late boolean NOT NULL,
	"add" jsonb NOT NULL,
	remove jsonb NOT NULL,
	userids text[] NOT NULL,
	roomid chatmill.name NOT NULL,
	chat text NOT NULL CHECK (chat IN ('single', 'group', 'internal')),
	sender chatmill.name NOT NULL,
	sender_role text NOT NULL CHECK (sender_role IN ('customer', 'staff', 'robot')),
	msgid chatmill.name NOT NULL,
	pack chatmill.name NOT NULL,
	rule chatmill.name NOT NULL,
	ruleset chatmill.name NOT NULL,
	by chatmill.name NOT NULL,
	evidence jsonb NOT NULL,
	PRIMARY KEY (event_id, day)
) PARTITION BY RANGE (day);
CREATE INDEX ON chatmill.tag_event (corpid, external_userid, "time");
COMMENT ON TABLE chatmill.tag_event IS 'Every change of tags, by month of the message';
COMMENT ON COLUMN chatmill.tag_event.event_id IS 'Id of the event, the same on every replay';
COMMENT ON COLUMN chatmill.tag_event.day IS 'Day of msgtime in UTC; names the partition';
COMMENT ON COLUMN chatmill.tag_event.corpid IS 'The company (WeCom corpid)';
COMMENT ON COLUMN chatmill.tag_event.external_userid IS 'The customer';
COMMENT ON COLUMN chatmill.tag_event."time" IS 'When it happened or, of an expiry or a wait, fell due';
COMMENT ON COLUMN chatmill.tag_event.msgtime IS 'Time of the message it rests on';
COMMENT ON COLUMN chatmill.tag_event.sequence IS 'Order of the events of one customer';
COMMENT ON COLUMN chatmill.tag_event.cause IS
	'rule; staff: told for another employee; expiry; recall of the message; manual';
COMMENT ON COLUMN chatmill.tag_event.late IS 'The message came more than an hour late';
COMMENT ON COLUMN chatmill.tag_event."add" IS 'Tags added: [{group, tag, wecom_id?, userids?}]';
COMMENT ON COLUMN chatmill.tag_event.remove IS 'Tags removed, in the same form';
COMMENT ON COLUMN chatmill.tag_event.userids IS 'Staff in the conversation';
COMMENT ON COLUMN chatmill.tag_event.roomid IS 'The group chat; empty: a single chat';
COMMENT ON COLUMN chatmill.tag_event.chat IS 'single, group or internal';
COMMENT ON COLUMN chatmill.tag_event.sender IS 'Who sent the message';
COMMENT ON COLUMN chatmill.tag_event.sender_role IS 'customer, staff or robot';
COMMENT ON COLUMN chatmill.tag_event.msgid IS 'The message, or the id of the control record';
COMMENT ON COLUMN chatmill.tag_event.pack IS 'Pack of the rule; empty: a control record';
COMMENT ON COLUMN chatmill.tag_event.rule IS 'The rule; empty: a control record';
COMMENT ON COLUMN chatmill.tag_event.ruleset IS 'Digest of the rules that judged';
COMMENT ON COLUMN chatmill.tag_event.by IS 'Who wrote the control record; empty: none';
COMMENT ON COLUMN chatmill.tag_event.evidence IS
	'What was found, where: [{field, start, end, char_start, char_end, text?, word, folds, forwarded}]';

CREATE TABLE chatmill.stage_event (
	event_id uuid NOT NULL,
	day date NOT NULL,
	corpid chatmill.name NOT NULL,
	external_userid chatmill.name NOT NULL,
	"time" timestamptz NOT NULL,
	msgtime timestamptz NOT NULL,
	sequence bigint NOT NULL,
	cause text NOT NULL CHECK (cause IN ('rule', 'recall', 'manual')),
	late boolean NOT NULL,
	ladder chatmill.name NOT NULL,
	from_stage chatmill.name,
	to_stage chatmill.name,
	"add" jsonb NOT NULL,
	remove jsonb NOT NULL,
	userids text[] NOT NULL,
	roomid chatmill.name NOT NULL,
	chat text NOT NULL CHECK (chat IN ('single', 'group', 'internal')),
	sender chatmill.name NOT NULL,
	sender_role text NOT NULL CHECK (sender_role IN ('customer', 'staff', 'robot')),
	msgid chatmill.name NOT NULL,
	pack chatmill.name NOT NULL,
	rule chatmill.name NOT NULL,
	ruleset chatmill.name NOT NULL,
	by chatmill.name NOT NULL,
	evidence jsonb NOT NULL,
	PRIMARY KEY (event_id, day)
) PARTITION BY RANGE (day);
CREATE INDEX ON chatmill.stage_event (corpid, external_userid, "time");
COMMENT ON TABLE chatmill.stage_event IS 'Every move on a ladder, by month of the message';
COMMENT ON COLUMN chatmill.stage_event.event_id IS 'Id of the event, the same on every replay';
COMMENT ON COLUMN chatmill.stage_event.day IS 'Day of msgtime in UTC; names the partition';
COMMENT ON COLUMN chatmill.stage_event.corpid IS 'The company (WeCom corpid)';
COMMENT ON COLUMN chatmill.stage_event.external_userid IS 'The customer';
COMMENT ON COLUMN chatmill.stage_event."time" IS 'When it happened or, of a wait, fell due';
COMMENT ON COLUMN chatmill.stage_event.msgtime IS 'Time of the message it rests on';
COMMENT ON COLUMN chatmill.stage_event.sequence IS 'Order of the events of one customer';
COMMENT ON COLUMN chatmill.stage_event.cause IS 'rule; recall of the message; manual';
COMMENT ON COLUMN chatmill.stage_event.late IS 'The message came more than an hour late';
COMMENT ON COLUMN chatmill.stage_event.ladder IS 'The ladder';
COMMENT ON COLUMN chatmill.stage_event.from_stage IS 'The stage that was left; null: none';
COMMENT ON COLUMN chatmill.stage_event.to_stage IS 'The stage that was entered; null: none';
COMMENT ON COLUMN chatmill.stage_event."add" IS 'Labels that follow the new stage';
COMMENT ON COLUMN chatmill.stage_event.remove IS 'Labels of the stage that was left';
COMMENT ON COLUMN chatmill.stage_event.userids IS 'Staff in the conversation';
COMMENT ON COLUMN chatmill.stage_event.roomid IS 'The group chat; empty: a single chat';
COMMENT ON COLUMN chatmill.stage_event.chat IS 'single, group or internal';
COMMENT ON COLUMN chatmill.stage_event.sender IS 'Who sent the message';
COMMENT ON COLUMN chatmill.stage_event.sender_role IS 'customer, staff or robot';
COMMENT ON COLUMN chatmill.stage_event.msgid IS 'The message, or the id of the control record';
COMMENT ON COLUMN chatmill.stage_event.pack IS 'Pack of the rule; empty: a control record';
COMMENT ON COLUMN chatmill.stage_event.rule IS 'The rule; empty: a control record';
COMMENT ON COLUMN chatmill.stage_event.ruleset IS 'Digest of the rules that judged';
COMMENT ON COLUMN chatmill.stage_event.by IS 'Who wrote the control record; empty: none';
COMMENT ON COLUMN chatmill.stage_event.evidence IS
	'What was found, where: [{field, start, end, char_start, char_end, text?, word, folds, forwarded}]';

CREATE TABLE chatmill.alert (
	alert_id uuid PRIMARY KEY,
	corpid chatmill.name NOT NULL,
	subject chatmill.name NOT NULL,
	customer chatmill.name NOT NULL,
	room chatmill.name NOT NULL,
	staff text[] NOT NULL,
	severity text NOT NULL CHECK (severity IN ('low', 'medium', 'high', 'critical')),
	category chatmill.name NOT NULL,
	title text NOT NULL CHECK (octet_length(title) <= 1024),
	pack chatmill.name NOT NULL,
	rule chatmill.name NOT NULL,
	ruleset chatmill.name NOT NULL,
	"time" timestamptz NOT NULL,
	msgtime timestamptz NOT NULL,
	chat text NOT NULL CHECK (chat IN ('single', 'group', 'internal')),
	sender chatmill.name NOT NULL,
	sender_role text NOT NULL CHECK (sender_role IN ('customer', 'staff', 'robot')),
	msgid chatmill.name NOT NULL,
	evidence jsonb NOT NULL,
	count bigint NOT NULL,
	msgids text[] NOT NULL,
	recalled boolean NOT NULL,
	recalled_at timestamptz,
	sequence bigint NOT NULL,
	status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'confirmed', 'dismissed')),
	reviewed_by text,
	reviewed_at timestamptz,
	note text NOT NULL DEFAULT ''
) WITH (fillfactor = 90);
CREATE INDEX ON chatmill.alert (corpid, customer) WHERE customer <> '';
CREATE INDEX ON chatmill.alert (corpid, subject);
CREATE INDEX ON chatmill.alert (msgtime);
CREATE INDEX alert_open ON chatmill.alert (corpid, msgtime) WHERE status = 'open';
COMMENT ON TABLE chatmill.alert IS 'Every alert and what became of it';
COMMENT ON COLUMN chatmill.alert.alert_id IS 'Id of the first event of the alert';
COMMENT ON COLUMN chatmill.alert.corpid IS 'The company (WeCom corpid)';
COMMENT ON COLUMN chatmill.alert.subject IS 'Whom it is about: a customer, a room or an employee';
COMMENT ON COLUMN chatmill.alert.customer IS 'The customer; empty: none';
COMMENT ON COLUMN chatmill.alert.room IS 'The group chat; empty: a single chat';
COMMENT ON COLUMN chatmill.alert.staff IS 'Staff in the conversation';
COMMENT ON COLUMN chatmill.alert.severity IS 'low, medium, high or critical';
COMMENT ON COLUMN chatmill.alert.category IS 'Category, as the rule says';
COMMENT ON COLUMN chatmill.alert.title IS 'Title of the rule';
COMMENT ON COLUMN chatmill.alert.pack IS 'Pack of the rule';
COMMENT ON COLUMN chatmill.alert.rule IS 'The rule';
COMMENT ON COLUMN chatmill.alert.ruleset IS 'Digest of the rules that judged';
COMMENT ON COLUMN chatmill.alert."time" IS 'When it happened or, of a wait, fell due';
COMMENT ON COLUMN chatmill.alert.msgtime IS 'Time of the message it rests on';
COMMENT ON COLUMN chatmill.alert.chat IS 'single, group or internal';
COMMENT ON COLUMN chatmill.alert.sender IS 'Who sent the message';
COMMENT ON COLUMN chatmill.alert.sender_role IS 'customer, staff or robot';
COMMENT ON COLUMN chatmill.alert.msgid IS 'The message';
COMMENT ON COLUMN chatmill.alert.evidence IS
	'What was found, where: [{field, start, end, char_start, char_end, text?, word, folds, forwarded}]';
COMMENT ON COLUMN chatmill.alert.count IS 'How many such messages the alert stands for';
COMMENT ON COLUMN chatmill.alert.msgids IS 'Those messages, at most 100';
COMMENT ON COLUMN chatmill.alert.recalled IS 'The message was recalled by its sender';
COMMENT ON COLUMN chatmill.alert.recalled_at IS 'When it was recalled; null: it was not';
COMMENT ON COLUMN chatmill.alert.sequence IS 'Sequence of its newest event';
COMMENT ON COLUMN chatmill.alert.status IS 'Review: open, confirmed or dismissed';
COMMENT ON COLUMN chatmill.alert.reviewed_by IS 'Who last changed status or note';
COMMENT ON COLUMN chatmill.alert.reviewed_at IS 'When';
COMMENT ON COLUMN chatmill.alert.note IS 'Words of the reviewer';

CREATE TABLE chatmill.alert_review (
	alert_id uuid NOT NULL,
	at timestamptz NOT NULL,
	by text NOT NULL,
	status text NOT NULL,
	note text NOT NULL,
	PRIMARY KEY (alert_id, at)
);
COMMENT ON TABLE chatmill.alert_review IS 'Every change of a review; no replay touches it';
COMMENT ON COLUMN chatmill.alert_review.alert_id IS 'The alert';
COMMENT ON COLUMN chatmill.alert_review.at IS 'When it was changed';
COMMENT ON COLUMN chatmill.alert_review.by IS 'Who changed it';
COMMENT ON COLUMN chatmill.alert_review.status IS 'The status it got';
COMMENT ON COLUMN chatmill.alert_review.note IS 'The note it got';

CREATE TABLE chatmill.message (
	corpid chatmill.name NOT NULL,
	msgid chatmill.name NOT NULL,
	day date NOT NULL,
	conversation text NOT NULL CHECK (octet_length(conversation) <= 520),
	external_userid chatmill.name NOT NULL,
	sender chatmill.name NOT NULL,
	role text NOT NULL CHECK (role IN ('customer', 'staff', 'robot')),
	type chatmill.name NOT NULL,
	msgtime timestamptz NOT NULL,
	text text NOT NULL,
	raw bytea NOT NULL,
	dictionary integer NOT NULL,
	PRIMARY KEY (corpid, msgid, day)
) PARTITION BY RANGE (day);
CREATE INDEX ON chatmill.message (corpid, conversation, msgtime);
CREATE INDEX ON chatmill.message (corpid, external_userid, msgtime) WHERE external_userid <> '';
ALTER TABLE chatmill.message ALTER COLUMN raw SET STORAGE EXTERNAL; -- it is compressed already
COMMENT ON TABLE chatmill.message IS 'The archived messages, if sink.archive is on; by month';
COMMENT ON COLUMN chatmill.message.corpid IS 'The company (WeCom corpid)';
COMMENT ON COLUMN chatmill.message.msgid IS 'Id of the message';
COMMENT ON COLUMN chatmill.message.day IS 'Day of msgtime in UTC; names the partition';
COMMENT ON COLUMN chatmill.message.conversation IS
	'The room; or of a single chat its two people, the smaller id first, with / between';
COMMENT ON COLUMN chatmill.message.external_userid IS 'The customer it is about; empty: none';
COMMENT ON COLUMN chatmill.message.sender IS 'Who sent it';
COMMENT ON COLUMN chatmill.message.role IS 'customer, staff or robot';
COMMENT ON COLUMN chatmill.message.type IS 'Type of WeCom: text, image, revoke, agree …';
COMMENT ON COLUMN chatmill.message.msgtime IS 'When it was sent';
COMMENT ON COLUMN chatmill.message.text IS 'What a person can read of it, a line for each field';
COMMENT ON COLUMN chatmill.message.raw IS 'The record as it came, compressed with zstd';
COMMENT ON COLUMN chatmill.message.dictionary IS
	'Dictionary that raw was compressed with (message_dictionary); 0: none';

CREATE TABLE chatmill.message_dictionary (
	id integer PRIMARY KEY CHECK (id > 0),
	type chatmill.name NOT NULL,
	dictionary bytea NOT NULL,
	made_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE chatmill.message_dictionary IS 'Dictionaries of zstd for messages, by type';
COMMENT ON COLUMN chatmill.message_dictionary.id IS 'Number of the dictionary';
COMMENT ON COLUMN chatmill.message_dictionary.type IS 'Type of the messages it was trained on';
COMMENT ON COLUMN chatmill.message_dictionary.dictionary IS 'The dictionary (format of zstd)';
COMMENT ON COLUMN chatmill.message_dictionary.made_at IS 'When it was trained';

CREATE TABLE chatmill.ruleset (
	digest chatmill.name PRIMARY KEY,
	text text,
	first_used timestamptz NOT NULL
);
COMMENT ON TABLE chatmill.ruleset IS 'Every rule set that ever judged';
COMMENT ON COLUMN chatmill.ruleset.digest IS 'Its digest, as in the events';
COMMENT ON COLUMN chatmill.ruleset.text IS 'Its files; null: not read from the topic of rule sets yet';
COMMENT ON COLUMN chatmill.ruleset.first_used IS 'Time of the earliest event that names it';

CREATE TABLE chatmill.stage_day (
	corpid chatmill.name NOT NULL,
	ladder chatmill.name NOT NULL,
	stage chatmill.name NOT NULL,
	day date NOT NULL,
	shard integer NOT NULL,
	entered bigint NOT NULL,
	exited bigint NOT NULL,
	PRIMARY KEY (corpid, ladder, stage, day, shard)
) WITH (fillfactor = 50);
COMMENT ON TABLE chatmill.stage_day IS
	'Customers that entered and left each stage by day; written with the events';
COMMENT ON COLUMN chatmill.stage_day.corpid IS 'The company (WeCom corpid)';
COMMENT ON COLUMN chatmill.stage_day.ladder IS 'The ladder';
COMMENT ON COLUMN chatmill.stage_day.stage IS 'The stage';
COMMENT ON COLUMN chatmill.stage_day.day IS 'Day of the event in UTC';
COMMENT ON COLUMN chatmill.stage_day.shard IS
	'Who counted: a partition of its sink, so that sinks do not wait for each other; -1: an erasure';
COMMENT ON COLUMN chatmill.stage_day.entered IS 'How many entered the stage';
COMMENT ON COLUMN chatmill.stage_day.exited IS 'How many left it';

CREATE TABLE chatmill.alert_day (
	corpid chatmill.name NOT NULL,
	staff chatmill.name NOT NULL,
	day date NOT NULL,
	severity text NOT NULL,
	shard integer NOT NULL,
	alerts bigint NOT NULL DEFAULT 0,
	recalled bigint NOT NULL DEFAULT 0,
	confirmed bigint NOT NULL DEFAULT 0,
	dismissed bigint NOT NULL DEFAULT 0,
	PRIMARY KEY (corpid, staff, day, severity, shard)
) WITH (fillfactor = 50);
COMMENT ON TABLE chatmill.alert_day IS
	'Alerts of each employee by day; written with the alerts and their reviews';
COMMENT ON COLUMN chatmill.alert_day.corpid IS 'The company (WeCom corpid)';
COMMENT ON COLUMN chatmill.alert_day.staff IS 'The employee in the conversation; empty: nobody';
COMMENT ON COLUMN chatmill.alert_day.day IS 'Day of the message in UTC';
COMMENT ON COLUMN chatmill.alert_day.severity IS 'low, medium, high or critical';
COMMENT ON COLUMN chatmill.alert_day.shard IS
	'Who counted: a partition of its sink; -1: reviews and erasures';
COMMENT ON COLUMN chatmill.alert_day.alerts IS 'How many alerts';
COMMENT ON COLUMN chatmill.alert_day.recalled IS 'How many of them rest on a recalled message';
COMMENT ON COLUMN chatmill.alert_day.confirmed IS 'How many a reviewer confirmed';
COMMENT ON COLUMN chatmill.alert_day.dismissed IS 'How many a reviewer dismissed';

CREATE TABLE chatmill.erased (
	subject_hmac bytea PRIMARY KEY,
	at timestamptz NOT NULL
);
COMMENT ON TABLE chatmill.erased IS
	'People that were erased: nothing older than this brings them back';
COMMENT ON COLUMN chatmill.erased.subject_hmac IS
	'HMAC-SHA256 of corpid/subject under the key in chatmill.secret';
COMMENT ON COLUMN chatmill.erased.at IS 'Time of the record that asked for it; what is older does nothing';

CREATE TABLE chatmill.erase_proof (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	subject_hmac bytea NOT NULL,
	at timestamptz NOT NULL,
	done_at timestamptz NOT NULL DEFAULT now(),
	outcome text NOT NULL CHECK (outcome IN ('erased', 'held')),
	rows jsonb NOT NULL
);
COMMENT ON TABLE chatmill.erase_proof IS 'What each erasure did, without personal data';
COMMENT ON COLUMN chatmill.erase_proof.id IS 'Number of the proof';
COMMENT ON COLUMN chatmill.erase_proof.subject_hmac IS 'Whom, as in chatmill.erased';
COMMENT ON COLUMN chatmill.erase_proof.at IS 'Time of the record that asked for it';
COMMENT ON COLUMN chatmill.erase_proof.done_at IS 'When it was done';
COMMENT ON COLUMN chatmill.erase_proof.outcome IS 'erased; held: the person is on the hold list';
COMMENT ON COLUMN chatmill.erase_proof.rows IS 'Rows removed, by table';

CREATE TABLE chatmill.hold (
	corpid chatmill.name NOT NULL,
	subject chatmill.name NOT NULL,
	reason text NOT NULL,
	since timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (corpid, subject)
);
COMMENT ON TABLE chatmill.hold IS 'Who must be kept (a law suit, say): erasure is refused';
COMMENT ON COLUMN chatmill.hold.corpid IS 'The company (WeCom corpid)';
COMMENT ON COLUMN chatmill.hold.subject IS 'The customer, room or employee';
COMMENT ON COLUMN chatmill.hold.reason IS 'Why they must be kept';
COMMENT ON COLUMN chatmill.hold.since IS 'Since when';

CREATE TABLE chatmill.secret (
	only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
	inner_pad bytea NOT NULL CHECK (octet_length(inner_pad) = 64),
	outer_pad bytea NOT NULL CHECK (octet_length(outer_pad) = 64)
);
COMMENT ON TABLE chatmill.secret IS
	'Key of the HMAC in chatmill.erased, made at random when the table was';
COMMENT ON COLUMN chatmill.secret.only_one IS 'Always true: there is one row';
COMMENT ON COLUMN chatmill.secret.inner_pad IS 'The key xor 0x36…, the inner block of RFC 2104';
COMMENT ON COLUMN chatmill.secret.outer_pad IS 'The key xor 0x5c…, the outer block of RFC 2104';

CREATE TABLE chatmill.corp_access (
	role name NOT NULL,
	corpid chatmill.name NOT NULL,
	PRIMARY KEY (role, corpid)
);
COMMENT ON TABLE chatmill.corp_access IS
	'Which companies a role may see. While empty, readers see all; with any row, only what is listed';
COMMENT ON COLUMN chatmill.corp_access.role IS 'A role of PostgreSQL; its members may see too';
COMMENT ON COLUMN chatmill.corp_access.corpid IS 'A company that it may see; *: all';
