//! The main job from end to end, against the server that `KEEPWARD_URL` names: a human signs up, makes a vault, stores a
//! secret, registers an agent and writes a policy; the agent trades its key for a token and reads exactly what the policy
//! gives it. Prints each step with its time, and the audit trail.

#![allow(clippy::print_stdout, clippy::expect_used, reason = "an example prints, and ends at its first error")]

use keepward::types::PolicyPermission::Read;
use keepward::{Client, Error, Result};
use std::future::IntoFuture;
use std::time::Instant;

/// Awaits a step and prints what it took.
async fn step<T>(name: &str, work: impl IntoFuture<Output = Result<T>>) -> Result<T> {
    let started = Instant::now();
    let outcome = work.await?;
    println!("{:>9.2} ms  {name}", started.elapsed().as_secs_f64() * 1000.0);
    Ok(outcome)
}

#[tokio::main]
async fn main() -> Result<()> {
    let url = std::env::var("KEEPWARD_URL").map_err(|_| Error::Configuration("KEEPWARD_URL is not set".to_owned()))?;
    let stranger = Client::builder().base_url(&url).build()?;

    let mut unique = [0; 8];
    getrandom::fill(&mut unique).map_err(|_| Error::Configuration("no randomness".to_owned()))?;
    let email = format!("ada-{:016x}@example.com", u64::from_le_bytes(unique));
    let signed_up = step("a human signs up", stranger.auth().signup(email.as_str(), "D3mo!Passw0rd#x7")).await?;
    let token = signed_up.access_token.expect("a token, since no mail is configured");
    let human = Client::builder().base_url(&url).token(token).build()?;

    let vault = step("makes a vault", human.vaults().create("production")).await?.id;
    step("stores a secret", human.secrets().put(vault, "payments/stripe", "sk_live_51demo")).await?;
    step("and another one", human.secrets().put(vault, "payroll/bank", "hunter2")).await?;
    let registered = step("registers an agent", human.agents().register("checkout-bot")).await?;
    let policy = human.policies().grant(vault, "payments/**", registered.agent.id, [Read]);
    step("gives it payments/** to read", policy).await?;

    let key = registered.api_key.expect("an agent of method api_key has a key");
    let agent = Client::builder().base_url(&url).agent_key(key).build()?;
    let secret = step("the agent reads payments/stripe", agent.secrets().get(vault, "payments/stripe")).await?;
    assert_eq!(secret.value.expose(), "sk_live_51demo");
    println!("              {secret:?}");
    step("and again, its token in hand", agent.secrets().get(vault, "payments/stripe")).await?;

    let started = Instant::now();
    let refused = agent.secrets().get(vault, "payroll/bank").await.err().expect("a refusal");
    assert!(refused.is_forbidden());
    println!("{:>9.2} ms  but not payroll/bank: {refused}", started.elapsed().as_secs_f64() * 1000.0);

    println!("\nThe audit trail, newest first:");
    for event in human.audit().events().await?.events {
        let text = |field: Option<String>| field.unwrap_or_default();
        let time = event.created_at.map(|time| time.to_string()).unwrap_or_default();
        println!(
            "  {time}  {:<8}{:<18}{:<9}{}",
            text(event.actor_type),
            text(event.action),
            text(event.outcome),
            text(event.integrity_hash)
        );
    }
    Ok(())
}
