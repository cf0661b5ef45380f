//! The tables of the main job: organisations, users, keys, agents, vaults, secrets, policies, tokens and the audit trail.

use super::{
    big_integer, big_integer_null, binary, binary_null, boolean, index, table, text, text_null, uuid, uuid_null,
};
use sea_orm::DbBackend;
use sea_orm::sea_query::{IndexCreateStatement, TableCreateStatement};

fn tables() -> Vec<TableCreateStatement> {
    vec![
        table("meta", vec![text("name"), binary("value")], &["name"]),
        table(
            "key_record",
            vec![
                uuid("id"),
                text("purpose"),
                big_integer("number"),
                binary("record"),
                binary_null("public_key"),
                big_integer("created_at"),
                big_integer_null("retired_at"),
            ],
            &["id"],
        ),
        table(
            "organisation",
            vec![uuid("id"), text("name"), boolean("is_active"), big_integer("created_at"), binary("row_mac")],
            &["id"],
        ),
        table(
            "users",
            vec![
                uuid("id"),
                uuid("org_id"),
                text("email"),
                text("display_name"),
                binary_null("password_hash"),
                text("auth_method"),
                text("role"),
                boolean("email_verified"),
                boolean("marketing_emails"),
                boolean("totp_enabled"),
                boolean("is_active"),
                boolean("is_operator"),
                big_integer("generation"),
                big_integer("created_at"),
                binary("row_mac"),
            ],
            &["id"],
        ),
        table(
            "api_key",
            vec![
                uuid("id"),
                uuid("org_id"),
                uuid("user_id"),
                text("name"),
                text("key_prefix"),
                binary("key_hash"),
                text("scopes"),
                boolean("is_active"),
                big_integer("created_at"),
                big_integer_null("expires_at"),
                big_integer_null("last_used_at"),
                binary("row_mac"),
            ],
            &["id"],
        ),
        table(
            "agent",
            vec![
                uuid("id"),
                uuid("org_id"),
                text("name"),
                text("description"),
                text("auth_method"),
                binary_null("key_hash"),
                text("identity"),
                text("scopes"),
                text("vault_ids"),
                boolean("intents_api_enabled"),
                text("guardrails"),
                big_integer_null("token_ttl_seconds"),
                text("ssh_public_key"),
                text("ecdh_public_key"),
                boolean("is_active"),
                uuid_null("created_by"),
                big_integer("generation"),
                big_integer("created_at"),
                big_integer_null("expires_at"),
                big_integer_null("last_active_at"),
                binary("row_mac"),
            ],
            &["id"],
        ),
        table(
            "vault",
            vec![
                uuid("id"),
                uuid("org_id"),
                text("name"),
                text("description"),
                uuid("created_by"),
                text("created_by_type"),
                uuid("kek_id"),
                binary("kek_record"),
                boolean("cmek_enabled"),
                text_null("cmek_fingerprint"),
                big_integer("created_at"),
                binary("row_mac"),
            ],
            &["id"],
        ),
        table(
            "secret",
            vec![
                uuid("id"),
                uuid("org_id"),
                uuid("vault_id"),
                text("path"),
                big_integer("version"),
                big_integer("created_at"),
                big_integer_null("deleted_at"),
            ],
            &["id"],
        ),
        table(
            "secret_version",
            vec![
                uuid("secret_id"),
                big_integer("version"),
                uuid("vault_id"),
                text("kind"),
                text("metadata"),
                binary("sealed"),
                binary("wrapped_dek"),
                uuid("created_by"),
                text("created_by_type"),
                big_integer("created_at"),
                big_integer_null("expires_at"),
                big_integer_null("max_access_count"),
                big_integer("access_count"),
                text_null("cmek_fingerprint"),
            ],
            &["secret_id", "version"],
        ),
        table(
            "policy",
            vec![
                uuid("id"),
                uuid("org_id"),
                uuid("vault_id"),
                text("pattern"),
                text("literal_prefix"),
                text("principal_type"),
                uuid("principal_id"),
                big_integer("permissions"),
                text("conditions"),
                big_integer_null("expires_at"),
                uuid("created_by"),
                text("created_by_type"),
                big_integer("created_at"),
                binary("row_mac"),
            ],
            &["id"],
        ),
        table("revoked_token", vec![uuid("jti"), big_integer("expires_at")], &["jti"]),
        table(
            "audit_event",
            vec![
                uuid("org_id"),
                big_integer("sequence"),
                uuid("id"),
                text("action"),
                text("actor_type"),
                uuid_null("actor_id"),
                text_null("resource_type"),
                uuid_null("resource_id"),
                text("outcome"),
                text("details"),
                text_null("ip_address"),
                big_integer("created_at"),
                uuid_null("prev_event_id"),
                binary("integrity_hash"),
                binary("mac"),
            ],
            &["org_id", "sequence"],
        ),
        table(
            "audit_head",
            vec![
                uuid("org_id"),
                big_integer("sequence"),
                uuid("event_id"),
                binary("integrity_hash"),
                binary("mac"),
                big_integer("created_at"),
            ],
            &["org_id"],
        ),
    ]
}

fn indexes() -> Vec<IndexCreateStatement> {
    vec![
        index("key_record", &["purpose", "number"], true),
        index("users", &["email"], true),
        index("users", &["org_id", "created_at"], false),
        index("api_key", &["key_hash"], true),
        index("api_key", &["user_id", "created_at"], false),
        index("agent", &["key_hash"], true),
        index("agent", &["org_id", "created_at"], false),
        index("vault", &["org_id", "created_at"], false),
        index("vault", &["org_id", "created_by"], false),
        index("secret", &["vault_id", "path"], true),
        index("secret_version", &["vault_id"], false),
        index("policy", &["vault_id", "principal_id", "literal_prefix"], false),
        index("policy", &["vault_id", "created_at"], false),
        index("policy", &["principal_id", "vault_id"], false),
        index("revoked_token", &["expires_at"], false),
        index("audit_event", &["org_id", "created_at"], false),
        index("audit_event", &["org_id", "resource_id", "sequence"], false),
        index("audit_event", &["org_id", "actor_id", "sequence"], false),
        index("audit_event", &["org_id", "action", "sequence"], false),
    ]
}

pub(super) fn statements(backend: DbBackend) -> Vec<String> {
    let tables = tables().into_iter().map(|table| backend.build(&table).sql);
    let indexes = indexes().into_iter().map(|index| backend.build(&index).sql);
    let mut statements: Vec<String> = tables.chain(indexes).collect();
    if backend == DbBackend::Postgres {
        // Compare prefixes as bytes, so that an index finds them.
        for (table, column) in [("secret", "path"), ("policy", "literal_prefix")] {
            statements.push(format!("ALTER TABLE {table} ALTER COLUMN {column} TYPE text COLLATE \"C\""));
        }
    }
    // Each organisation has one vault for the private keys of its agents.
    statements.push("CREATE UNIQUE INDEX ix_vault_agent_keys ON vault (org_id) WHERE name = '__agent-keys'".to_owned());
    statements
}
