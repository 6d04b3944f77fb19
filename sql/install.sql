-- Installs pgevents into the current database, or upgrades an earlier version, in one transaction:
--     psql -v ON_ERROR_STOP=1 -f sql/install.sql [connection options]
-- Running it again changes nothing, except that it repairs what a restored dump has left (settle.sql).
-- `-v owner=ROLE` makes that role the owner of everything; the role that runs it must be a member of it. The owner of a
-- schema can make an upgrade execute other code with the rights of the role that connects: if it may not have them,
-- connect as the owner.
-- `-v to=N` stops at schema version N (used by the upgrade test).
-- Needs: PostgreSQL 13 or later, encoding UTF8, CREATE on the database; CREATEROLE only if the roles are missing.
--
-- The order: preflight.sql (checks, roles, schema, ownership.sql), the missing migrations, the functions, comments.sql
-- (COMMENT ON), roles.sql (rights), settle.sql. Functions have a file each:
--     functions/AREA/NAME.sql           a role may call it, or the operator
--     functions/AREA/internal/NAME.sql  only other functions and triggers call it
--     functions/replaceable/NAME.sql    an application may replace it
-- The areas:
--     publish   what may be published, checks, staging           presence  reports, connections, their events
--     log       ids, reading, pruning, what the listener needs   typing    typing notifications
--     access    revoking tokens, ending streams                  users     the directory, register, a user's settings
--     http      parameters, answers and errors of http_*()       settings  the operator's settings and timings
--     watch     triggers that publish the changes of a table   copies    the log on other servers
\set ON_ERROR_STOP on
\set QUIET on
\set latest 12
\if :{?to}
\else
\set to :latest
\endif
\if :{?owner}
\else
\set owner ''
\endif

BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL search_path = pg_catalog, pg_temp;
-- An upgrade that waits for a long query makes every publisher wait behind it: it gives up after a while.
SET LOCAL lock_timeout = '10s';
\ir preflight.sql

-- Publishing that worked before an upgrade must not fail after it: an upgraded installation only warns.
SELECT CASE WHEN EXISTS (SELECT FROM pgevents.migrations) THEN 'warning' ELSE 'error' END AS strictness,
       CASE WHEN EXISTS (SELECT FROM pgevents.migrations) THEN 'off' ELSE 'on' END AS group_commit \gset
SELECT coalesce(max(version), 0) AS installed, coalesce(max(version), 0) > :latest AS is_newer
  FROM pgevents.migrations \gset
\set version_before :installed
\if :is_newer
\warn 'pgevents: the schema version of the database is' :installed '- that of this install.sql is' :latest
\warn 'pgevents: run the install.sql of the newer release'
DO $$ BEGIN RAISE EXCEPTION 'pgevents: the database has a newer version; nothing was installed'; END $$;
\endif

SELECT :installed < 1 AND :to >= 1 AS is_due \gset
\if :is_due
\ir migrations/0001_event_log.sql
INSERT INTO pgevents.migrations (version, name) VALUES (1, 'event_log');
\endif

SELECT :installed < 2 AND :to >= 2 AS is_due \gset
\if :is_due
\ir migrations/0002_idempotency_keys.sql
INSERT INTO pgevents.migrations (version, name) VALUES (2, 'idempotency_keys');
\endif

SELECT :installed < 3 AND :to >= 3 AS is_due \gset
\if :is_due
\ir migrations/0003_revocations.sql
INSERT INTO pgevents.migrations (version, name) VALUES (3, 'revocations');
\endif

SELECT :installed < 4 AND :to >= 4 AS is_due \gset
\if :is_due
\ir migrations/0004_presence.sql
INSERT INTO pgevents.migrations (version, name) VALUES (4, 'presence');
\endif

SELECT :installed < 5 AND :to >= 5 AS is_due \gset
\if :is_due
\ir migrations/0005_generations.sql
INSERT INTO pgevents.migrations (version, name) VALUES (5, 'generations');
\endif

SELECT :installed < 6 AND :to >= 6 AS is_due \gset
\if :is_due
\ir migrations/0006_crash_mark.sql
INSERT INTO pgevents.migrations (version, name) VALUES (6, 'crash_mark');
\endif

SELECT :installed < 7 AND :to >= 7 AS is_due \gset
\if :is_due
\ir migrations/0007_one_check.sql
INSERT INTO pgevents.migrations (version, name) VALUES (7, 'one_check');
\endif

SELECT :installed < 8 AND :to >= 8 AS is_due \gset
\if :is_due
\ir migrations/0008_strict.sql
INSERT INTO pgevents.migrations (version, name) VALUES (8, 'strict');
\endif

SELECT :installed < 9 AND :to >= 9 AS is_due \gset
\if :is_due
\ir migrations/0009_status.sql
INSERT INTO pgevents.migrations (version, name) VALUES (9, 'status');
\endif

SELECT :installed < 10 AND :to >= 10 AS is_due \gset
\if :is_due
\ir migrations/0010_group_commit.sql
INSERT INTO pgevents.migrations (version, name) VALUES (10, 'group_commit');
\endif

SELECT :installed < 11 AND :to >= 11 AS is_due \gset
\if :is_due
\ir migrations/0011_outbox.sql
INSERT INTO pgevents.migrations (version, name) VALUES (11, 'outbox');
\endif

SELECT :installed < 12 AND :to >= 12 AS is_due \gset
\if :is_due
\ir migrations/0012_copies.sql
INSERT INTO pgevents.migrations (version, name) VALUES (12, 'copies');
\endif

-- An application may replace these functions, so an upgrade does not touch them.
SELECT to_regprocedure('pgevents.user_channel(text, text)') IS NULL AS is_due \gset
\if :is_due
\ir functions/replaceable/user_channel.sql
\endif
SELECT to_regprocedure('pgevents.presence_channel(text)') IS NULL AS is_due \gset
\if :is_due
\ir functions/replaceable/presence_channel.sql
\endif
SELECT to_regprocedure('pgevents.stream_channel(text)') IS NULL AS is_due \gset
\if :is_due
\ir functions/replaceable/stream_channel.sql
\endif
SELECT to_regprocedure('pgevents.channel_kind(text, text)') IS NULL AS is_due \gset
\if :is_due
\ir functions/replaceable/channel_kind.sql
\endif
SELECT to_regprocedure('pgevents.change_settings(text, text, jsonb)') IS NULL AS is_due \gset
\if :is_due
\ir functions/replaceable/change_settings.sql
\endif

\ir functions/http/internal/raise_error.sql
\ir functions/log/internal/us.sql
\ir functions/copies/internal/is_fed.sql
\ir functions/copies/is_copy.sql
\ir functions/copies/internal/copied_tables.sql
\ir functions/copies/internal/primary_only.sql
\ir functions/copies/internal/copy_refuses.sql
\ir functions/copies/internal/copy_guard.sql
\ir functions/copies/internal/copy_complete.sql
\ir functions/copies/internal/copy_owner.sql
\ir functions/log/internal/least_step.sql
\ir functions/copies/internal/fed_since.sql
\ir functions/copies/internal/may_lag.sql
\ir functions/publish/internal/json_stand_in.sql
\ir functions/publish/internal/json_harmless.sql
\ir functions/publish/internal/json_unknown_member.sql
\ir functions/publish/internal/name_is_sane.sql
\ir functions/publish/internal/event_fault.sql
\ir functions/settings/internal/setting_names.sql
\ir functions/settings/internal/settings_check.sql
\ir functions/settings/internal/settings_found.sql
\ir functions/publish/internal/type_reserved.sql
\ir functions/publish/internal/complain.sql
\ir functions/publish/internal/is_plain.sql
\ir functions/publish/internal/remark.sql
\ir functions/publish/internal/channel_name.sql
\ir functions/publish/internal/channel_matches.sql
\ir functions/access/internal/check_user.sql
\ir functions/publish/internal/split_data.sql
\ir functions/publish/internal/split_body.sql
\ir functions/log/internal/generation_place.sql
\ir functions/log/internal/generation_is_checked.sql
\ir functions/log/internal/shard_width.sql
\ir functions/log/internal/generation_start.sql
\ir functions/log/internal/begin_generation.sql
\ir functions/log/internal/check_generation.sql
\ir functions/log/internal/is_settled.sql
\ir functions/log/internal/is_watched.sql
\ir functions/log/internal/ready_start.sql
\ir functions/log/internal/mark_settled.sql
\ir functions/log/internal/mark_passed.sql
\ir functions/log/internal/drain_end.sql
\ir functions/log/internal/drain.sql
\ir functions/log/internal/is_expected.sql
\ir functions/log/internal/turn_follows.sql
\ir functions/log/internal/append_lock.sql
\ir functions/log/internal/append.sql
\ir functions/log/internal/turn_number.sql
\ir functions/publish/internal/events_insert.sql
\ir functions/publish/internal/outbox_insert.sql
\ir functions/publish/internal/events_refuse_change.sql
\ir functions/log/internal/staging_sequence.sql
\ir functions/log/internal/turn_is_big.sql
\ir functions/log/internal/turn_may_leave.sql
\ir functions/log/internal/turn_waits.sql
\ir functions/log/internal/turn_way.sql
\ir functions/log/internal/turn_rest.sql
\ir functions/log/internal/ready_number.sql
\ir functions/log/internal/turn_left.sql
\ir functions/log/internal/turns_sequence.sql
\ir functions/log/internal/log_notify.sql
\ir functions/log/head.sql
\ir functions/log/log_after.sql
\ir functions/log/internal/page_start.sql
\ir functions/log/fetch.sql
\ir functions/log/listener_start.sql
\ir functions/publish/publish.sql
\ir functions/watch/channel_value.sql
\ir functions/watch/internal/watch_check.sql
\ir functions/watch/internal/watch_name.sql
\ir functions/watch/internal/watch_channel.sql
\ir functions/watch/internal/watch_image.sql
\ir functions/watch/internal/watch_key.sql
\ir functions/watch/internal/watch_body.sql
\ir functions/watch/watch_statements.sql
\ir functions/watch/unwatch.sql
\ir functions/watch/watch.sql
\ir functions/publish/internal/http_publish_check.sql
\ir functions/publish/internal/publication_read.sql
\ir functions/publish/internal/publication_earlier.sql
\ir functions/publish/internal/publication_write.sql
\ir functions/publish/http_publish.sql
\ir functions/publish/internal/publications_read.sql
\ir functions/publish/internal/publications_claim.sql
\ir functions/publish/http_publish_many.sql
\ir functions/publish/internal/publish_control.sql
\ir functions/access/internal/revocation_us.sql
\ir functions/access/internal/revocation_settle.sql
\ir functions/access/revoke.sql
\ir functions/access/disconnect.sql
\ir functions/access/revocations.sql
\ir functions/access/token_revoked.sql
\ir functions/settings/internal/timing.sql
\ir functions/settings/internal/timing_ms.sql
\ir functions/settings/internal/timing_seconds.sql
\ir functions/http/internal/epoch.sql
\ir functions/http/internal/server_timestamp.sql
\ir functions/http/internal/param_missing.sql
\ir functions/http/internal/param_text.sql
\ir functions/http/internal/param_id.sql
\ir functions/http/internal/param_value.sql
\ir functions/http/internal/param_boolean.sql
\ir functions/http/internal/param_integer.sql
\ir functions/http/internal/param_list.sql
\ir functions/http/internal/answer.sql
\ir functions/http/internal/json_members.sql
\ir functions/http/internal/success.sql
\ir functions/users/internal/directory_user.sql
\ir functions/users/internal/caller.sql
\ir functions/publish/internal/stage.sql
\ir functions/presence/internal/presence_active_at.sql
\ir functions/presence/internal/presence_slim.sql
\ir functions/presence/internal/presence_status.sql
\ir functions/presence/internal/presence_legacy.sql
\ir functions/presence/internal/presence_slack.sql
\ir functions/presence/internal/presence_rows.sql
\ir functions/presence/internal/presence_since.sql
\ir functions/presence/internal/presence_state.sql
\ir functions/presence/internal/presence_part.sql
\ir functions/presence/http_presence_state.sql
\ir functions/presence/internal/presence_changes.sql
\ir functions/presence/internal/presence_realm_key.sql
\ir functions/presence/internal/presence_lock_realms.sql
\ir functions/presence/internal/presence_lock.sql
\ir functions/presence/internal/connections_write.sql
\ir functions/presence/internal/presence_flush.sql
\ir functions/presence/internal/presence_tell.sql
\ir functions/presence/internal/presence_write.sql
\ir functions/presence/presence_report.sql
\ir functions/presence/internal/presence_request.sql
\ir functions/presence/internal/presence_answer.sql
\ir functions/presence/http_report_presence.sql
\ir functions/presence/http_report_presence_many.sql
\ir functions/presence/http_user_presence.sql
\ir functions/presence/http_realm_presence.sql
\ir functions/typing/internal/typing_charge.sql
\ir functions/typing/internal/typing_direct.sql
\ir functions/typing/internal/typing_stream.sql
\ir functions/typing/http_typing.sql
\ir functions/presence/internal/presence_switch.sql
\ir functions/users/http_settings.sql
\ir functions/settings/internal/client_timings.sql
\ir functions/users/http_register.sql
\ir functions/presence/holder_open.sql
\ir functions/presence/holder_close.sql
\ir functions/presence/presence_contacts.sql
\ir functions/presence/presence_poll.sql
\ir functions/presence/internal/presence_disconnect.sql
\ir functions/presence/internal/presence_sweep.sql
\ir functions/presence/presence_tick.sql
\ir functions/log/internal/prune_log.sql
\ir functions/access/internal/prune_revocations.sql
\ir functions/log/prune.sql
\ir functions/log/internal/lock_holder.sql
\ir functions/log/sequencer_ready.sql
\ir functions/log/sequencer_begin.sql
\ir functions/log/sequencer_end.sql
\ir functions/log/sequence.sql
\ir functions/log/publishers_waiting.sql
\ir functions/log/schema_version.sql
\ir functions/copies/create_publication.sql
\ir functions/copies/become_copy.sql
\ir functions/copies/promote_copy.sql
\ir functions/log/become_shard.sql
\ir functions/copies/internal/copy_warnings.sql
\ir functions/copies/internal/copy_status.sql
\ir functions/copies/copy_state.sql
\ir functions/copies/copy_lag.sql
\ir functions/log/status.sql
\ir comments.sql
\ir roles.sql

\ir settle.sql

SELECT max(version) AS installed FROM pgevents.migrations \gset
SELECT CASE :version_before WHEN 0 THEN '' WHEN :installed THEN ' already'
         ELSE ', upgraded from ' || :version_before END AS change,
       :version_before BETWEEN 1 AND 7 AND :installed >= 8 AS became_strict,
       :version_before BETWEEN 1 AND 9 AND :installed >= 10 AS has_group_commit \gset
\set report 'pgevents: schema version ' :installed ' is installed' :change
COMMIT;
\echo :report
\if :became_strict
\echo 'pgevents: the settings reserved_types and unknown_members are \'warning\': publishing that worked does not fail.'
\echo 'pgevents: when the server log shows no such WARNING any more, set both to \'error\' (docs/sql.md, section 2)'
\endif
\if :has_group_commit
\echo 'pgevents: the setting group_commit is \'off\', because front-ends of earlier releases cannot give ids.'
\echo 'pgevents: when all nginx and fallbacks are upgraded, set it to \'on\' (docs/sql.md, section 4)'
\endif
