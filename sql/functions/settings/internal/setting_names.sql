-- pgevents.setting_names(): the names of all settings.
-- Parameters: none.
-- Returns:    text[], in the order of the documentation.
-- Errors:     none.
-- Tables:     none.
CREATE OR REPLACE FUNCTION pgevents.setting_names() RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT ARRAY['retention', 'revocation_retention', 'reserved_types', 'unknown_members', 'group_commit',
    'presence_ping_interval', 'presence_offline_threshold', 'presence_flush_window', 'presence_event_ttl',
    'presence_grace', 'presence_lease', 'typing_started_expiry', 'typing_started_wait', 'typing_stopped_wait',
    'typing_rate']
$$;
