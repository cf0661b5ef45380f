//! A human, member of one organisation.

use crate::store::SealedBytes;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub org_id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub email: String,
    #[sea_orm(column_type = "Text")]
    pub display_name: String,
    /// Argon2id keyed by a sub-key: format, salt, hash.
    pub password_hash: Option<SealedBytes>,
    #[sea_orm(column_type = "Text")]
    pub auth_method: String,
    /// `owner`, `admin` or `member`.
    #[sea_orm(column_type = "Text")]
    pub role: String,
    pub email_verified: bool,
    pub marketing_emails: bool,
    pub totp_enabled: bool,
    pub is_active: bool,
    /// May use `/v1/admin`; set on the server's host only.
    pub is_operator: bool,
    /// Tokens carry it; raising it ends them.
    pub generation: i64,
    pub created_at: i64,
    pub row_mac: Vec<u8>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
