use keepward::types::PolicyPermission::Read;
use keepward_tests::Organisation;

async fn paths(client: &keepward::Client, vault: keepward::VaultId, prefix: Option<&str>) -> Vec<String> {
    let list = client.secrets().list(vault);
    let list = if let Some(prefix) = prefix { list.prefix(prefix) } else { list };
    list.await.unwrap().secrets.into_iter().map(|secret| secret.path).collect()
}

#[tokio::test]
async fn a_prefix_is_a_plain_text() {
    let organisation = Organisation::new().await;
    let vault = organisation.vault().await;
    for path in ["b", "api/a", "api/b", "apiary", "z/api"] {
        organisation.owner.secrets().put(vault, path, "v").await.unwrap();
    }
    assert_eq!(paths(&organisation.owner, vault, None).await, ["api/a", "api/b", "apiary", "b", "z/api"]);
    assert_eq!(paths(&organisation.owner, vault, Some("api")).await, ["api/a", "api/b", "apiary"]);
    assert_eq!(paths(&organisation.owner, vault, Some("api/")).await, ["api/a", "api/b"]);
    assert!(paths(&organisation.owner, vault, Some("é")).await.is_empty());
    for odd in ["%", "api\u{7f}", "api*", " "] {
        assert!(paths(&organisation.owner, vault, Some(odd)).await.is_empty(), "{odd:?}");
    }
}

#[tokio::test]
async fn a_list_holds_what_the_caller_may_read() {
    let organisation = Organisation::new().await;
    let vault = organisation.vault().await;
    let (agent, key) = organisation.agent().await;
    for path in ["a/1", "a/2/x", "b/1/c", "b/2/c", "b/2/d", "c"] {
        organisation.owner.secrets().put(vault, path, "v").await.unwrap();
    }
    organisation.grant(vault, "a/*", agent, &[Read]).await;
    organisation.grant(vault, "b/*/c", agent, &[Read]).await;
    let agent = organisation.as_agent(&key);
    assert_eq!(paths(&agent, vault, None).await, ["a/1", "b/1/c", "b/2/c"]);
    assert_eq!(paths(&agent, vault, Some("b/2")).await, ["b/2/c"]);
    assert!(paths(&agent, vault, Some("c")).await.is_empty());
    // Where nothing may be read there is nothing to see, as long as there is anything at all elsewhere.
    assert!(paths(&agent, vault, Some("nothing/here")).await.is_empty());
    assert!(paths(&agent, vault, Some("é")).await.is_empty());
}

#[tokio::test]
async fn a_policy_above_the_prefix_counts_and_one_that_has_expired_does_not() {
    let organisation = Organisation::new().await;
    let vault = organisation.vault().await;
    let (agent, key) = organisation.agent().await;
    for path in ["a/b/c", "a/b/cd", "a/x", "ab/c"] {
        organisation.owner.secrets().put(vault, path, "v").await.unwrap();
    }
    let given = organisation.grant(vault, "a/b/*", agent, &[Read]).await;
    let caller = organisation.as_agent(&key);
    for prefix in ["a", "a/", "a/b", "a/b/", "a/b/c"] {
        assert_eq!(paths(&caller, vault, Some(prefix)).await, ["a/b/c", "a/b/cd"], "{prefix}");
    }
    assert_eq!(paths(&caller, vault, Some("a/b/cd")).await, ["a/b/cd"]);
    assert!(
        paths(&caller, vault, Some("a/b/c/")).await.is_empty() && paths(&caller, vault, Some("ab")).await.is_empty()
    );
    organisation.grant(vault, "**", agent, &[Read]).await;
    assert_eq!(paths(&caller, vault, Some("ab")).await, ["ab/c"]);
    organisation.owner.policies().delete(vault, given.id).await.unwrap();
    assert_eq!(paths(&caller, vault, Some("a/b/cd")).await, ["a/b/cd"]);

    // Those that end first, and before others in every index.
    let (late, key) = organisation.agent().await;
    let soon = keepward::Timestamp::from_microseconds(keepward::Timestamp::now().microseconds() + 4_000_000);
    for pattern in ["a/**", "a/x", "ab/*"] {
        organisation.owner.policies().grant(vault, pattern, late, [Read]).expires_at(soon).await.unwrap();
    }
    let caller = organisation.as_agent(&key);
    let bound = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while caller.secrets().list(vault).prefix("a/x").await.is_ok_and(|list| list.secrets.len() == 1) {
        assert!(std::time::Instant::now() < bound);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(keepward::Timestamp::now() >= soon);
    assert!(caller.secrets().list(vault).prefix("a/x").await.unwrap_err().is_forbidden());
    assert!(caller.secrets().list(vault).await.unwrap_err().is_forbidden());
    assert!(caller.vaults().get(vault).await.unwrap_err().is_forbidden());
    // One that lives is found behind them, wherever it is.
    organisation.grant(vault, "z", late, &[Read]).await;
    assert!(paths(&caller, vault, Some("a/x")).await.is_empty() && paths(&caller, vault, None).await.is_empty());
    assert!(caller.vaults().get(vault).await.is_ok());
}

#[tokio::test]
async fn hundreds_of_policies_are_one_list() {
    let organisation = Organisation::new().await;
    let vault = organisation.vault().await;
    let (agent, key) = organisation.agent().await;
    for n in 0..300 {
        organisation.grant(vault, &format!("p{n:03}/*"), agent, &[Read]).await;
    }
    for path in ["p000/a", "p001/b/c", "p127/a", "p255/a", "p256/a", "p299/z", "p300/a", "q"] {
        organisation.owner.secrets().put(vault, path, "v").await.unwrap();
    }
    let agent = organisation.as_agent(&key);
    assert_eq!(paths(&agent, vault, None).await, ["p000/a", "p127/a", "p255/a", "p256/a", "p299/z"]);
    assert_eq!(paths(&agent, vault, Some("p2")).await, ["p255/a", "p256/a", "p299/z"]);
}

#[tokio::test]
async fn scopes_are_a_ceiling_over_policies() {
    let organisation = Organisation::new().await;
    let vault = organisation.vault().await;
    let made = organisation.owner.agents().register("low").scopes(vec!["a/**".to_owned()]).await.unwrap();
    organisation.grant(vault, "**", made.agent.id, &[Read]).await;
    for path in ["a/1", "b/1"] {
        organisation.owner.secrets().put(vault, path, "v").await.unwrap();
    }
    let agent = organisation.as_agent(&made.api_key.unwrap());
    assert_eq!(paths(&agent, vault, None).await, ["a/1"]);
    assert!(agent.secrets().get(vault, "b/1").await.unwrap_err().is_forbidden());
    let key = organisation.owner.api_keys().create("k").scopes(vec!["b/*".to_owned(), "vault:read".to_owned()]).await;
    let limited = keepward_tests::builder(&organisation.http.url).user_key(key.unwrap().api_key.unwrap());
    let limited = limited.build().unwrap();
    assert_eq!(paths(&limited, vault, None).await, ["b/1"], "an owner's key has a ceiling, too");
    assert!(limited.api_keys().create("more").await.unwrap_err().is_forbidden());
    assert!(limited.agents().register("more").await.unwrap_err().is_forbidden());
    assert!(limited.vaults().delete(vault).await.unwrap_err().is_forbidden());
    assert!(limited.agents().rotate_key(made.agent.id).await.unwrap_err().is_forbidden());
    assert!(limited.policies().grant(vault, "**", made.agent.id, [Read]).await.unwrap_err().is_forbidden());
}

/// A prefix is a text that paths begin with, dots and all.
#[tokio::test]
async fn prefixes_may_hold_whatever_paths_do() {
    let organisation = Organisation::new().await;
    let vault = organisation.vault().await;
    for path in ["test.eu/x", ".env", "a.b", "tls.crt", "dir/tls.crt", "_a", "-a"] {
        organisation.owner.secrets().put(vault, path, "v").await.unwrap();
    }
    for (prefix, found) in [
        ("test.", "test.eu/x"),
        ("test.eu/", "test.eu/x"),
        (".", ".env"),
        ("a.b", "a.b"),
        ("tls.c", "tls.crt"),
        ("dir/tls.", "dir/tls.crt"),
        ("_", "_a"),
        ("-", "-a"),
    ] {
        let listed = organisation.owner.secrets().list(vault).prefix(prefix).await.unwrap().secrets;
        let paths: Vec<&str> = listed.iter().map(|secret| secret.path.as_str()).collect();
        assert_eq!(paths, [found], "{prefix}");
    }
}
