//! Signing up, and trading credentials for tokens.

mod exchange;
mod rows;
pub mod service;
mod signup;

use crate::app::App;
use crate::audit::Recorded;
use crate::caller::{AnyCaller, Claims, Grant, USER_TOKEN_SECONDS, Unread, Visitor, action, check_rule, network};
use crate::error::{Error, Result};
use crate::seal::Keyring;
use crate::store::{Actor, Change, Event, Lock, Outcome, Unit};
use keepward_api::{OrgId, Timestamp, UserId, actions, types};
use std::convert::Infallible;
use std::sync::Arc;

/// A new human, owner of a new organisation.
pub(crate) async fn signup(
    app: &App,
    visitor: Visitor,
    body: Unread<types::SignupRequest>,
) -> Result<Recorded<types::SignupResponse>> {
    let grant = visitor.admit();
    let request = body.read(&grant).await?;
    signup::check_open(app.config.signup)?;
    check_rule(request.password.expose())?;
    let password_hash = app.passwords.hash(request.password).await?;
    let email = request.email;
    let new = signup::Signup {
        keyring: Arc::clone(&app.keyring),
        mode: app.config.signup,
        email: email.clone(),
        display_name: request.display_name.map(String::from).unwrap_or_default(),
        password_hash,
        address: visitor.address,
    };
    let made = app.committer.commit(new).await?;
    let (recorded, user) = made.split();
    let claims =
        Claims::new(Actor::User(UserId(user.id)), OrgId(user.org_id), user.generation, visitor.now, USER_TOKEN_SECONDS);
    let token = app.tokens.issue(&claims).await?;
    Ok(recorded.map(|()| types::SignupResponse {
        message: Some("Account created.".to_owned()),
        email: Some(email.into()),
        access_token: Some(token.text),
        token_type: Some("Bearer".to_owned()),
    }))
}

/// The same time and text for a wrong password and an unknown address.
pub(crate) async fn token(
    app: &App,
    visitor: Visitor,
    body: Unread<types::LoginRequest>,
) -> Result<Recorded<types::LoginResponse>> {
    let request = body.read(&visitor.admit()).await?;
    let email = request.email.as_str();
    let attempt = app.logins.begin(email, visitor.address).map_err(limited)?;
    let user = app.database.read(rows::user_by_email(&app.database.readers(), &app.keyring, email)).await?;
    let stored = user.as_ref().and_then(|user| user.password_hash.as_ref());
    let is_right = app.passwords.verify(request.password, stored).await?;
    let Some(user) = user.filter(|user| is_right && user.is_active) else {
        app.refusals.count(network(visitor.address), "auth.failure");
        attempt.failed();
        return Err(Error::Unauthenticated { detail: "Mail address or password is wrong." });
    };
    attempt.succeeded();
    let actor = Actor::User(UserId(user.id));
    let claims = Claims::new(actor, OrgId(user.org_id), user.generation, visitor.now, USER_TOKEN_SECONDS);
    let token = app.tokens.issue(&claims).await?;
    let recorded = app.committer.record(success(actor, claims.org, visitor)).await?;
    Ok(recorded.map(|()| types::LoginResponse {
        access_token: Some(token.text),
        token_type: Some("Bearer".to_owned()),
        expires_in: Some(token.expires_in),
        refresh_token: None,
        mfa_required: None,
        mfa_token: None,
    }))
}

fn limited(retry_after_seconds: u64) -> Error {
    Error::RateLimited { retry_after_seconds, limit: None }
}

/// The event of a credential that was traded for a token.
fn success(actor: Actor, org: OrgId, visitor: Visitor) -> Event {
    let resource = actor.id().map(|id| (actor.kind(), id));
    let (action, outcome, address) = (actions::AUTH_TOKEN, Outcome::Success, Some(visitor.address));
    Event { chain: org.0, action, actor, resource, outcome, details: serde_json::Map::new(), address }
}

pub(crate) async fn agent_token(
    app: &App,
    visitor: Visitor,
    body: Unread<types::AgentTokenRequest>,
) -> Result<Recorded<types::AgentTokenResponse>> {
    let request = body.read(&visitor.admit()).await?;
    if request.format == Some(types::TokenFormat::Biscuit) {
        return Err(Error::NotImplemented { detail: "Biscuits come with a later version; ask for a jwt." });
    }
    let Some(key) = request.api_key else {
        return Err(exchange::without_key(request.client_assertion.is_some()));
    };
    let agent = exchange::agent(app, visitor, key.expose(), request.agent_id).await?;
    let issued = exchange::issue_agent(app, &agent).await?;
    // Only who names no agent is told which one it is: older clients do not expect the members.
    let named = request.agent_id.is_some();
    let vault_ids = if named { None } else { Some(exchange::vaults_of(app, &agent).await?) };
    let recorded = app.committer.record(success(Actor::Agent(agent.id()), agent.session.org, visitor)).await?;
    Ok(recorded.map(|()| types::AgentTokenResponse {
        access_token: issued.text,
        token_type: "Bearer".to_owned(),
        expires_in: Some(issued.expires_in),
        refresh_token: None,
        agent_id: (!named).then(|| agent.id()),
        vault_ids,
    }))
}

pub(crate) async fn api_key_token(
    app: &App,
    visitor: Visitor,
    body: Unread<types::UserApiKeyTokenRequest>,
) -> Result<Recorded<types::TokenResponse>> {
    let request = body.read(&visitor.admit()).await?;
    let caller = exchange::prove(app, visitor, request.api_key.expose()).await?;
    let issued = match &caller {
        AnyCaller::Agent(agent) => exchange::issue_agent(app, agent).await?,
        AnyCaller::User(user) => exchange::issue_user(app, user).await?,
    };
    let recorded = app.committer.record(success(caller.actor(), caller.session().org, visitor)).await?;
    Ok(recorded.map(|()| types::TokenResponse {
        access_token: issued.text,
        token_type: "Bearer".to_owned(),
        expires_in: Some(issued.expires_in),
        refresh_token: None,
    }))
}

/// No answer of this server carries a refresh token; the text is the contract's.
pub(crate) async fn refresh(_: &App, _: Visitor, _: Unread<types::RefreshRequest>) -> Result<Infallible> {
    Err(Error::invalid("Refresh tokens not yet implemented"))
}

pub(crate) async fn revoke(app: &App, caller: AnyCaller) -> Result<Recorded<()>> {
    let grant = caller.live().may::<action::Own>()?;
    let Some(claims) = caller.session().claims.clone() else {
        return Err(Error::invalid("A key is no token: delete it, rotate it, or deactivate its agent."));
    };
    app.committer.commit(Revoke { keyring: Arc::clone(&app.keyring), grant, claims }).await
}

struct Revoke {
    keyring: Arc<Keyring>,
    grant: Grant<action::Own>,
    claims: Claims,
}

impl Change for Revoke {
    type Output = ();
    fn locks(&self) -> Vec<Lock> {
        let mut locks = self.grant.locks();
        locks.push(Lock::exclusive("token", self.claims.jti.as_bytes()));
        locks
    }
    async fn apply(&self, unit: &mut Unit<'_>) -> Result<()> {
        let (caller, ()) = self.grant.repeat(unit, &self.keyring).await?;
        rows::revoke(unit, self.claims.jti, Timestamp::from_seconds(self.claims.exp)).await?;
        let resource = caller.actor().id().unwrap_or_default();
        unit.record(caller.event(actions::AUTH_REVOKE, (caller.actor().kind(), resource)));
        Ok(())
    }
}

pub(crate) async fn jwks(app: &App, _: Visitor) -> Result<types::JwksResponse> {
    Ok(app.tokens.jwks())
}
