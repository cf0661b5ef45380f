//! What docs/sdk/rust.md shows, against the server that `KEEPWARD_URL` names. As a human it makes what the agent needs, and
//! runs itself as that agent.

#![allow(clippy::print_stdout, clippy::expect_used, reason = "an example prints, and ends at its first error")]

use futures_util::TryStreamExt;
use futures_util::future::try_join_all;
use keepward::types::PolicyPermission::Read;
use keepward::{Client, Error, Result, SecretText, VaultId};
use std::pin::pin;
use std::sync::Mutex;
use std::time::Duration;

const SECRET: &str = "sk_live_51demo";

static PAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn call_stripe(key: &str) {
    PAID.lock().expect("nobody panics").push(key.to_owned());
}

async fn first_secret() -> Result<()> {
    // snippet: first-secret
    let client = keepward::Client::from_env()?; // KEEPWARD_URL and KEEPWARD_AGENT_KEY
    let vault = client.vaults().list().await?.vaults.first().map(|vault| vault.id).expect("a vault");
    let secret = client.secrets().get(vault, "payments/stripe").await?;
    call_stripe(secret.value.expose());
    // end
    assert_eq!(PAID.lock().expect("nobody panics").as_slice(), [SECRET]);
    Ok(())
}

async fn errors(client: &Client, vault: VaultId) -> Result<()> {
    // snippet: errors
    match client.secrets().get(vault, "payroll/bank").await {
        Ok(secret) => println!("{secret:?}"),
        Err(error) if error.is_forbidden() => println!("{error}"),
        Err(Error::Api(refusal)) => println!("{}, again in {:?}", refusal.title, refusal.retry_after),
        Err(other) => return Err(other), // no answer, or none of a Keepward server
    }
    // end
    Ok(())
}

async fn together(client: &Client, vault: VaultId) -> Result<()> {
    let paths = ["payments/stripe"; 20];
    // snippet: async
    let secrets = try_join_all(paths.map(|path| client.secrets().get(vault, path).into_future())).await?;
    // end
    assert!(secrets.iter().all(|secret| secret.value.expose() == SECRET));
    Ok(())
}

async fn retries(key: SecretText, vault: VaultId) -> Result<()> {
    // snippet: retries
    let patient = Client::builder()
        .base_url(std::env::var("KEEPWARD_URL").expect("a server"))
        .agent_key(key)
        .timeout(Duration::from_secs(10))
        .connect_timeout(Duration::from_secs(2))
        .max_retries(5)
        .build()?;
    // end
    assert_eq!(patient.secrets().get(vault, "payments/stripe").await?.version, 1);
    Ok(())
}

async fn values(client: &Client, vault: VaultId) -> Result<()> {
    // snippet: values
    let secret = client.secrets().get(vault, "payments/stripe").await?;
    println!("{} {:?} {}", secret.id, secret.metadata.get("owner"), secret.created_at);
    // end
    // snippet: silence
    assert!(!format!("{secret:?}").contains("sk_live"));
    // end
    Ok(())
}

async fn pages(human: &Client) -> Result<()> {
    // snippet: pages
    let mut events = pin!(human.audit().events().action("secret.read").limit(2).stream());
    while let Some(event) = events.try_next().await? {
        println!("{:?} {:?} {:?}", event.created_at, event.actor_id, event.outcome);
    }
    // end
    let found: Vec<_> = human.audit().events().limit(2).stream().try_collect().await?;
    assert!(found.len() > 4 && found.windows(2).all(|pair| matches!(pair, [a, b] if a.id != b.id)));
    Ok(())
}

async fn as_agent(key: String) -> Result<()> {
    first_secret().await?;
    let client = Client::from_env()?;
    let vault = client.vaults().list().await?.vaults.first().map(|vault| vault.id).expect("a vault");
    errors(&client, vault).await?;
    together(&client, vault).await?;
    retries(key.into(), vault).await?;
    values(&client, vault).await
}

#[tokio::main]
async fn main() -> Result<()> {
    if let Ok(key) = std::env::var("KEEPWARD_AGENT_KEY") {
        return as_agent(key).await;
    }
    let url = std::env::var("KEEPWARD_URL").map_err(|_| Error::Configuration("KEEPWARD_URL is not set".to_owned()))?;
    let mut unique = [0; 8];
    getrandom::fill(&mut unique).map_err(|_| Error::Configuration("no randomness".to_owned()))?;
    let (email, password) = (format!("ada-{:016x}@example.com", u64::from_le_bytes(unique)), "D3mo!Passw0rd#x7");
    Client::builder().base_url(&url).build()?.auth().signup(email.as_str(), password).await?;
    let human = Client::builder().base_url(&url).password(email, password).build()?;
    let vault = human.vaults().create("production").await?.id;
    // snippet: options
    let metadata = serde_json::json!({"owner": "payments"}).as_object().cloned().unwrap_or_default();
    human.secrets().put(vault, "payments/stripe", SECRET).metadata(metadata).max_access_count(100).await?;
    // end
    human.secrets().put(vault, "payroll/bank", "hunter2").await?;
    let bot = human.agents().register("checkout-bot").await?;
    human.policies().grant(vault, "payments/**", bot.agent.id, [Read]).await?;
    let key = bot.api_key.expect("an agent of method api_key has a key");
    let agent = std::env::current_exe().expect("this program");
    let ended = std::process::Command::new(agent).env("KEEPWARD_AGENT_KEY", key.expose()).status();
    assert!(ended.expect("the agent runs").success());
    pages(&human).await
}
