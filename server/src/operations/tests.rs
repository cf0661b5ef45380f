//! What can only be seen from inside: which statements a request runs.

use super::{auth, policies, secrets, vaults};
use crate::app::{App, Open};
use crate::caller::{Credential, Found, Unread, Visitor, action, load, lookup, parse_bearer};
use crate::config::{Config, Flags};
use crate::error::Error;
use crate::metrics::METRICS;
use keepward_api::{SecretPath, Timestamp, VaultId, params, types};
use sea_orm::ConnectionTrait;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What is measured is measured of the process: one scene at a time.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

struct Scene {
    _alone: tokio::sync::MutexGuard<'static, ()>,
    app: App,
    vault: VaultId,
    owner: Arc<Credential>,
    stranger: Arc<Credential>,
    _folder: tempfile::TempDir,
}

async fn signup(app: &App, email: &str) -> Arc<Credential> {
    let now = Timestamp::now();
    let request =
        types::SignupRequest { email: email.parse().unwrap(), password: "D3mo!Passw0rd#x7".into(), display_name: None };
    let visitor = Visitor { address: HERE, now };
    let answer = auth::signup(app, visitor, Unread::new(async move { Ok(request) })).await.unwrap().into_inner();
    let header = format!("Bearer {}", answer.access_token.unwrap().expose());
    Arc::new(parse_bearer(Some(header.as_bytes()), &app.tokens, &app.keyring.sub_keys, now).unwrap())
}

/// Settings for a database of a scene's own, where the run is one on PostgreSQL.
async fn on_postgres(cluster: &str) -> Vec<(String, String)> {
    let name = format!("kw_scene_{}", uuid::Uuid::new_v4().simple());
    let admin = sea_orm::Database::connect(format!("{cluster}postgres")).await.unwrap();
    admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
    let settings = [("KEEPWARD_DATABASE_URL", format!("{cluster}{name}")), ("KEEPWARD_UNSAFE_POSTGRES", "true".into())];
    settings.map(|(name, value)| (name.to_owned(), value)).into()
}

impl Scene {
    async fn set() -> Self {
        let alone = ALONE.lock().await;
        let folder = tempfile::tempdir().unwrap();
        let settings = match std::env::var("KEEPWARD_TEST_POSTGRES") {
            Ok(cluster) => on_postgres(&cluster).await,
            Err(_) => Vec::new(),
        };
        let flags = Flags { data_dir: Some(folder.path().to_owned()), ..Flags::default() };
        let (app, _writing) = App::open(Config::load(&flags, settings).unwrap(), Open::Serve).await.unwrap();
        let owner = signup(&app, "owner@example.com").await;
        // A member of the same organisation, as the database has one: added on the host.
        let org = owner.claims().unwrap().org;
        let email = "member@example.com".parse().unwrap();
        let member = auth::service::add_user(&app, email, org, crate::caller::Role::Member, "D3mo!Passw0rd#x7".into());
        let member = member.await.unwrap();
        let now = Timestamp::now();
        let claims = crate::caller::Claims::new(crate::store::Actor::User(member), org, 1, now, 900);
        let stranger = Arc::new(Credential::Token(claims));
        let (caller, _) =
            load(&app.database.readers(), &app.keyring, &owner, None::<&lookup::Nothing>, now, HERE).await.unwrap();
        let request = types::CreateVaultRequest { name: "v".parse().unwrap(), description: None };
        let made = vaults::create(&app, caller, Unread::new(async move { Ok(request) })).await.unwrap().into_inner();
        Self { _alone: alone, app, vault: made.id, owner, stranger, _folder: folder }
    }

    async fn find(
        &self,
        connection: &sea_orm::DatabaseConnection,
        who: &Arc<Credential>,
        path: &str,
    ) -> Found<lookup::Secret> {
        let key = lookup::Secret { vault_id: self.vault, path: path.parse().unwrap() };
        load(connection, &self.app.keyring, who, Some(&key), Timestamp::now(), HERE).await.unwrap().1.unwrap()
    }

    async fn put(&self, path: &str) {
        let found = self.find(&self.app.database.readers(), &self.owner, path).await;
        let path: SecretPath = path.parse().unwrap();
        let params = params::SecretPutParams { vault_id: self.vault, path };
        let request: types::PutSecretRequest = serde_json::from_value(serde_json::json!({"value": "v"})).unwrap();
        let caller = self.caller().await;
        secrets::put(&self.app, caller, found, params, Unread::new(async move { Ok(request) })).await.unwrap();
    }

    async fn caller(&self) -> crate::caller::AnyCaller {
        let now = Timestamp::now();
        let readers = &self.app.database.readers();
        load(readers, &self.app.keyring, &self.owner, None::<&lookup::Nothing>, now, HERE).await.unwrap().0
    }
}

/// A request is one statement, and for a path outside the grants it is the same one whether the path exists or not.
#[tokio::test]
async fn one_statement_that_does_not_depend_on_existence() {
    let scene = Scene::set().await;
    scene.put("there").await;
    scene.put("deleted").await;
    let found = scene.find(&scene.app.database.readers(), &scene.owner, "deleted").await;
    let params = params::SecretDeleteParams { vault_id: scene.vault, path: "deleted".parse().unwrap() };
    secrets::delete(&scene.app, scene.caller().await, found, params).await.unwrap();

    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut watched = scene.app.database.readers().clone();
    let log = Arc::clone(&seen);
    watched.set_metric_callback(move |info| log.lock().unwrap().push(info.statement.sql.clone()));
    let mut runs = Vec::new();
    for path in ["there", "deleted", "never"] {
        let found = scene.find(&watched, &scene.stranger, path).await;
        let refused = found.may::<action::ReadSecret>().err().unwrap();
        assert!(matches!(refused, Error::Forbidden { resource: None, .. }), "{refused:?}");
        runs.push((refused.to_string(), std::mem::take(&mut *seen.lock().unwrap())));
    }
    assert!(runs.iter().all(|run| run.1.len() == 1), "{runs:?}");
    assert!(runs.windows(2).all(|pair| pair[0] == pair[1]), "{runs:?}");
}

fn measured(series: &str) -> f64 {
    let text = METRICS.text().unwrap();
    let line = text.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap()
}

/// As a request takes it, with others or alone: one statement of lookups, and one unit of the committer.
#[tokio::test]
async fn an_audited_read_is_one_statement_and_one_unit() {
    let scene = Scene::set().await;
    scene.put("there").await;
    let caller = scene.caller().await;
    let count = || {
        let statements = measured("keepward_lookup_asks_count") + measured("keepward_query_duration_seconds_count");
        (statements, measured("keepward_commit_units_sum"))
    };
    let before = count();
    let key = lookup::Secret { vault_id: scene.vault, path: "there".parse().unwrap() };
    let (_, found) = scene.app.lookups.load(&scene.owner, Some(&key), Timestamp::now(), HERE).await.unwrap();
    let params = params::SecretGetParams { vault_id: scene.vault, path: key.path };
    secrets::get(&scene.app, caller, found.unwrap(), params).await.unwrap();
    let after = count();
    assert_eq!((after.0 - before.0, after.1 - before.1), (1.0, 1.0));
}

/// The grant of one path releases no other.
#[tokio::test]
async fn a_grant_releases_its_own_row_only() {
    let scene = Scene::set().await;
    scene.put("a").await;
    scene.put("b").await;
    let readers = &scene.app.database.readers();
    let grant = scene.find(readers, &scene.owner, "a").await.may::<action::ReadSecret>().unwrap();
    let other = scene.find(readers, &scene.owner, "b").await;
    assert!(matches!(other.release(&grant), Err(Error::Internal { .. })));
}

/// A right that ended between the decision and the unit is refused in the unit.
#[tokio::test]
async fn a_slow_body_does_not_outlive_a_revocation() {
    let scene = Scene::set().await;
    let found = scene.find(&scene.app.database.readers(), &scene.owner, "a").await;
    let caller = scene.caller().await;
    let revoked = auth::revoke(&scene.app, scene.caller().await).await;
    assert!(revoked.is_ok());
    let params = params::SecretPutParams { vault_id: scene.vault, path: "a".parse().unwrap() };
    let request: types::PutSecretRequest = serde_json::from_value(serde_json::json!({"value": "v"})).unwrap();
    let late = secrets::put(&scene.app, caller, found, params, Unread::new(async move { Ok(request) })).await;
    assert!(matches!(late, Err(Error::Unauthenticated { .. })));
}

/// Many changes that wait for one transaction: each sees what those before it did, whoever is refused leaves nothing, and
/// the others share their statements.
#[tokio::test]
async fn units_of_one_batch_see_each_other() {
    let scene = Scene::set().await;
    scene.put("deleted").await;
    let put = async |path: &'static str, who: &Arc<Credential>| {
        let key = lookup::Secret { vault_id: scene.vault, path: path.parse().unwrap() };
        let (caller, found) = scene.app.lookups.load(who, Some(&key), Timestamp::now(), HERE).await?;
        let params = params::SecretPutParams { vault_id: scene.vault, path: key.path };
        let request: types::PutSecretRequest = serde_json::from_value(serde_json::json!({"value": path})).unwrap();
        let body = Unread::new(async move { Ok(request) });
        secrets::put(&scene.app, caller, found.unwrap(), params, body).await.map(|put| put.into_inner().version)
    };
    let delete = async |path: &'static str| {
        let found = scene.find(&scene.app.database.readers(), &scene.owner, path).await;
        let params = params::SecretDeleteParams { vault_id: scene.vault, path: path.parse().unwrap() };
        secrets::delete(&scene.app, scene.caller().await, found, params).await
    };
    let transactions = || measured("keepward_commit_units_count");
    let before = transactions();
    let owner = &scene.owner;
    // One path over and over, beside others, and beside one that is deleted and written at once.
    let same = futures_util::future::join_all((0..12).map(|_| put("same", owner)));
    let others = ["o/1", "o/2", "o/3", "o/4", "o/5", "o/6", "o/7", "o/8", "o/9"].map(|path| put(path, owner));
    let (same, others, deleted, again, refused) = tokio::join!(
        same,
        futures_util::future::join_all(others),
        delete("deleted"),
        put("deleted", owner),
        put("same", &scene.stranger),
    );
    let mut versions: Vec<i32> = same.into_iter().map(|version| version.unwrap()).collect();
    versions.sort_unstable();
    assert_eq!(versions, (1..=12).collect::<Vec<_>>());
    assert!(others.into_iter().all(|version| version.unwrap() == 1));
    assert!(deleted.is_ok() && again.unwrap() == 2);
    assert!(matches!(refused, Err(Error::Forbidden { .. })), "{refused:?}");
    let taken = transactions() - before;
    assert!(taken < 24.0, "24 changes took {taken} transactions");
    for path in ["same", "o/1", "o/9"] {
        let found = scene.find(&scene.app.database.readers(), owner, path).await;
        let params = params::SecretGetParams { vault_id: scene.vault, path: path.parse().unwrap() };
        let read = secrets::get(&scene.app, scene.caller().await, found, params).await.unwrap().into_inner();
        assert_eq!(read.value.expose(), path);
    }
    // A change of many others: the vault goes, and whoever still writes to it is refused.
    let caller = scene.caller().await;
    let key = lookup::Vault { vault_id: scene.vault };
    let (_, found) = scene.app.lookups.load(owner, Some(&key), Timestamp::now(), HERE).await.unwrap();
    let params = params::VaultDeleteParams { vault_id: scene.vault };
    let (gone, late) = tokio::join!(vaults::delete(&scene.app, caller, found.unwrap(), params), put("late", owner));
    assert!(gone.is_ok());
    assert!(late.is_ok() || matches!(late, Err(Error::NotFound { .. })), "{late:?}");
    let found = scene.app.lookups.load(owner, Some(&key), Timestamp::now(), HERE).await.unwrap().1.unwrap();
    assert!(matches!(
        found.may::<action::SeeVault>().and_then(|grant| found.release(&grant)),
        Err(Error::NotFound { .. })
    ));
}

/// Whoever stands in a batch behind the end of its right has it no more, though its batch reads ahead for others.
#[tokio::test]
async fn a_change_behind_the_end_of_its_right_in_one_batch_is_refused() {
    let scene = Scene::set().await;
    let transactions = || measured("keepward_commit_units_count");
    let body = |value: &str| {
        let request: types::PutSecretRequest = serde_json::from_value(serde_json::json!({"value": value})).unwrap();
        Unread::new(async move { Ok(request) })
    };
    let load_secret = async |who: &Arc<Credential>, path: &str| {
        let key = lookup::Secret { vault_id: scene.vault, path: path.parse().unwrap() };
        let (caller, found) = scene.app.lookups.load(who, Some(&key), Timestamp::now(), HERE).await.unwrap();
        let params = params::SecretPutParams { vault_id: scene.vault, path: key.path };
        (caller, found.unwrap(), params)
    };
    let load_vault = async || {
        let key = lookup::Vault { vault_id: scene.vault };
        let (caller, found) = scene.app.lookups.load(&scene.owner, Some(&key), Timestamp::now(), HERE).await.unwrap();
        (caller, found.unwrap())
    };
    let app = &scene.app;

    // A policy of the member's, taken away in front of its change; the owner's beside it goes on.
    let (caller, found) = load_vault().await;
    let request = serde_json::json!({
        "secret_path_pattern": "**",
        "principal_type": "user",
        "principal_id": scene.stranger.claims().unwrap().sub.trim_start_matches("user:"),
        "permissions": ["write"],
    });
    let request: types::CreatePolicyRequest = serde_json::from_value(request).unwrap();
    let params = params::PolicyCreateParams { vault_id: scene.vault };
    let made = policies::create(app, caller, found, params, Unread::new(async move { Ok(request) })).await;
    let policy_id = made.unwrap().into_inner().id;
    let (caller, found, params) = load_secret(&scene.stranger, "member").await;
    secrets::put(app, caller, found, params, body("v")).await.unwrap();
    let (caller, found) = load_vault().await;
    let ends = policies::delete(app, caller, found, params::PolicyDeleteParams { vault_id: scene.vault, policy_id });
    let (caller, found, params) = load_secret(&scene.stranger, "member").await;
    let late = secrets::put(app, caller, found, params, body("late"));
    let (caller, found, params) = load_secret(&scene.owner, "owner").await;
    let beside = secrets::put(app, caller, found, params, body("v"));
    let before = transactions();
    let (ended, late, beside) = tokio::join!(ends, late, beside);
    assert!(ended.is_ok() && beside.is_ok());
    assert!(matches!(late, Err(Error::Forbidden { .. })), "{late:?}");
    assert_eq!(transactions() - before, 1.0, "they were one batch");
    let (_, found, _) = load_secret(&scene.owner, "member").await;
    let params = params::SecretGetParams { vault_id: scene.vault, path: "member".parse().unwrap() };
    let read = secrets::get(app, scene.caller().await, found, params).await.unwrap().into_inner();
    assert_eq!((read.value.expose(), read.version), ("v", 1));

    // The vault itself, in front of a change by its owner.
    let (caller, found) = load_vault().await;
    let ends = vaults::delete(app, caller, found, params::VaultDeleteParams { vault_id: scene.vault });
    let (caller, found, params) = load_secret(&scene.owner, "late").await;
    let late = secrets::put(app, caller, found, params, body("late"));
    let before = transactions();
    let (ended, late) = tokio::join!(ends, late);
    assert!(ended.is_ok());
    assert!(matches!(late, Err(Error::NotFound { .. })), "{late:?}");
    assert_eq!(transactions() - before, 1.0, "they were one batch");
}
