use keepward::Timestamp;
use keepward::types::{PolicyPermission::Read, SecretType};
use keepward_tests::Organisation;

#[tokio::test]
async fn three_spellings_of_a_path_are_one() {
    let organisation = Organisation::new().await;
    let vault = organisation.vault().await;
    organisation.owner.secrets().put(vault, "api-keys/openai", "value").await.unwrap();
    for prefix in ["/v1", "/api/v1"] {
        for path in ["api-keys/openai", "api-keys%2Fopenai", "%61pi-keys/open%61i", "api-keys%2fopenai"] {
            let answer = organisation
                .http
                .get(&format!("{prefix}/vaults/{vault}/secrets/{path}"), &organisation.owner_token)
                .await;
            assert_eq!((answer.status, &answer.json()["value"]), (200, &serde_json::json!("value")), "{path}");
        }
    }
}

#[tokio::test]
async fn reads_are_counted_and_the_one_after_the_last_is_410() {
    let organisation = Organisation::new().await;
    let vault = organisation.vault().await;
    let secrets = organisation.owner.secrets();
    secrets.put(vault, "a", "v").max_access_count(2).await.unwrap();
    secrets.list(vault).await.unwrap();
    assert!(secrets.get(vault, "a").await.is_ok());
    assert!(secrets.get(vault, "a").await.is_ok());
    assert!(secrets.get(vault, "a").await.unwrap_err().is_gone());
    assert_eq!(secrets.list(vault).await.unwrap().secrets.len(), 1, "a used-up secret is listed");
    secrets.put(vault, "a", "v").await.unwrap();
    assert!(secrets.get(vault, "a").await.is_ok(), "the count belongs to the version");
}

#[tokio::test]
async fn of_24_parallel_readers_of_3_reads_exactly_3_succeed() {
    let organisation = Organisation::new().await;
    let vault = organisation.vault().await;
    organisation.owner.secrets().put(vault, "a", "v").max_access_count(3).await.unwrap();
    let readers: Vec<_> = (0..24)
        .map(|_| {
            let client = organisation.owner.clone();
            tokio::spawn(async move { client.secrets().get(vault, "a").await })
        })
        .collect();
    let mut read = 0;
    for reader in readers {
        match reader.await.unwrap() {
            Ok(_) => read += 1,
            Err(error) => assert!(error.is_gone(), "{error:?}"),
        }
    }
    assert_eq!(read, 3);
}

#[tokio::test]
async fn an_expired_secret_is_gone() {
    let organisation = Organisation::new().await;
    let vault = organisation.vault().await;
    let soon = Timestamp::from_microseconds(Timestamp::now().microseconds() + 4_000_000);
    organisation.owner.secrets().put(vault, "a", "v").expires_at(soon).await.unwrap();
    let bound = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        match organisation.owner.secrets().get(vault, "a").await {
            Ok(secret) => assert_eq!(secret.expires_at, Some(soon)),
            Err(error) => {
                assert!(error.is_gone() && Timestamp::now() >= soon, "{error:?}");
                break;
            }
        }
        assert!(std::time::Instant::now() < bound);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(organisation.owner.secrets().list(vault).await.unwrap().secrets.len(), 1, "it is listed");
}

#[tokio::test]
async fn outside_a_grant_existence_makes_no_difference() {
    let organisation = Organisation::new().await;
    let vault = organisation.vault().await;
    let (agent, key) = organisation.agent().await;
    organisation.grant(vault, "mine/**", agent, &[Read]).await;
    organisation.owner.secrets().put(vault, "theirs/there", "v").await.unwrap();
    organisation.owner.secrets().put(vault, "theirs/deleted", "v").await.unwrap();
    organisation.owner.secrets().delete(vault, "theirs/deleted").await.unwrap();
    for (method, body) in [("GET", None), ("DELETE", None), ("PUT", Some(serde_json::json!({"value": "x"})))] {
        let ask = async |path: &str| {
            let path = format!("/v1/vaults/{vault}/secrets/theirs/{path}");
            let mut answer = organisation.http.send(method, &path, Some(key.expose()), body.as_ref()).await;
            assert!(answer.is_problem(403), "{answer:?}");
            for volatile in ["x-request-id", "date"] {
                answer.headers.remove(volatile);
            }
            (answer.status, answer.headers, answer.text)
        };
        let there = ask("there").await;
        assert_eq!(there, ask("never").await);
        assert_eq!(there, ask("deleted").await);
    }
    // Inside the grant, 404 and 410 appear.
    let inside = organisation.as_agent(&key);
    assert!(inside.secrets().get(vault, "mine/never").await.unwrap_err().is_not_found());
    // The trail names the vault, whether the path exists or not.
    let denied: Vec<_> =
        organisation.events().await.into_iter().filter(|e| e.outcome.as_deref() == Some("denied")).collect();
    assert_eq!(denied.len(), 9);
    assert!(denied.iter().all(|event| event.resource_id.as_deref() == Some(&vault.to_string())));
}

#[tokio::test]
async fn an_agent_that_signs_does_not_read_keys() {
    let organisation = Organisation::new().await;
    let vault = organisation.vault().await;
    let made = organisation.owner.agents().register("signer").intents_api_enabled(true).await.unwrap();
    organisation.grant(vault, "**", made.agent.id, &[Read]).await;
    for (path, kind) in [("pk", SecretType::PrivateKey), ("ssh", SecretType::SshKey), ("plain", SecretType::Generic)] {
        organisation.owner.secrets().put(vault, path, "v").type_(kind).await.unwrap();
    }
    let agent = organisation.as_agent(&made.api_key.unwrap());
    assert!(agent.secrets().get(vault, "pk").await.unwrap_err().is_forbidden());
    assert!(agent.secrets().get(vault, "ssh").await.unwrap_err().is_forbidden());
    assert!(agent.secrets().get(vault, "plain").await.is_ok());
}

#[tokio::test]
async fn a_values_bytes_come_back_as_they_went() {
    let organisation = Organisation::new().await;
    let vault = organisation.vault().await;
    let large = "x".repeat(4 * 1024 * 1024);
    for (i, value) in ["", "\u{0}", "🔑 \n\t\"\\", &large].into_iter().enumerate() {
        let path = format!("p{i}");
        organisation.owner.secrets().put(vault, path.as_str(), value).await.unwrap();
        let read = organisation.owner.secrets().get(vault, path.as_str()).await.unwrap();
        assert!(read.value.expose() == value, "{i}");
        assert!(!format!("{read:?}").contains('🔑'));
    }
}

/// A read that meets a new version is a read of the new version, and no "used up".
#[tokio::test]
async fn counted_reads_beside_a_writer_all_succeed() {
    let organisation = Organisation::new().await;
    let vault = organisation.vault().await;
    let put = async |client: keepward::Client| {
        client.secrets().put(vault, "a", "v").max_access_count(1_000_000).await.unwrap();
    };
    put(organisation.owner.clone()).await;
    let readers: Vec<_> = (0..8)
        .map(|_| {
            let client = organisation.owner.clone();
            tokio::spawn(async move {
                for _ in 0..20 {
                    client.secrets().get(vault, "a").await.unwrap();
                }
            })
        })
        .collect();
    for _ in 0..40 {
        put(organisation.owner.clone()).await;
    }
    for reader in readers {
        reader.await.unwrap();
    }
}

#[tokio::test]
async fn refused_reads_of_metadata_are_recorded_and_allowed_ones_are_not() {
    let organisation = Organisation::new().await;
    let vault = organisation.vault().await;
    let (_, key) = organisation.agent().await;
    let agent = organisation.as_agent(&key);
    assert!(agent.vaults().get(vault).await.unwrap_err().is_forbidden());
    organisation.owner.vaults().get(vault).await.unwrap();
    let reads: Vec<_> =
        organisation.events().await.into_iter().filter(|e| e.action.as_deref() == Some("vault.get")).collect();
    assert_eq!(reads.len(), 1);
    assert_eq!(reads[0].outcome.as_deref(), Some("denied"));
}

/// Link scanners send HEAD: it is checked and recorded, and takes none of the reads that there are.
#[tokio::test]
async fn a_head_spends_nothing_and_is_recorded() {
    let organisation = Organisation::new().await;
    let vault = organisation.vault().await;
    organisation.owner.secrets().put(vault, "a", "v").max_access_count(1).await.unwrap();
    let path = format!("/v1/vaults/{vault}/secrets/a");
    let head = async |path: &str| organisation.http.send("HEAD", path, Some(&organisation.owner_token), None).await;
    for _ in 0..3 {
        let answer = head(&path).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    }
    let event = &organisation.events().await[0];
    assert_eq!((event.action.as_deref(), event.outcome.as_deref()), (Some("secret.read"), Some("success")));
    assert_eq!(event.details["method"], "HEAD");
    assert_eq!(organisation.owner.secrets().get(vault, "a").await.unwrap().value.expose(), "v");
    assert_eq!(head(&path).await.status, 410, "its one read is spent now");
    assert_eq!(head(&format!("/v1/vaults/{vault}/secrets/nothing")).await.status, 404);
    let (_, key) = organisation.agent().await;
    assert_eq!(organisation.http.send("HEAD", &path, Some(key.expose()), None).await.status, 403);
}
