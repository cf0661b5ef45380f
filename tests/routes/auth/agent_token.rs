use keepward::types;
use keepward_tests::Organisation;
use serde_json::json;

#[tokio::test]
async fn without_agent_id_the_answer_names_agent_and_vaults() {
    let organisation = Organisation::new().await;
    let (first, second) = (organisation.vault().await, organisation.vault().await);
    let (agent, key) = organisation.agent().await;
    organisation.grant(second, "**", agent, &[types::PolicyPermission::Read]).await;
    organisation.grant(first, "a", agent, &[types::PolicyPermission::Read]).await;
    let written = organisation.vault().await;
    organisation.grant(written, "a", agent, &[types::PolicyPermission::Write]).await;
    let exchange = async |body: serde_json::Value| {
        organisation.http.send("POST", "/v1/auth/agent-token", None, Some(&body)).await.json()
    };
    let found = exchange(json!({"api_key": key.expose()})).await;
    assert_eq!(found["agent_id"], json!(agent));
    assert_eq!(found["vault_ids"], json!([first, second]), "oldest first");
    assert_eq!(found["expires_in"], 3600);
    let named = exchange(json!({"api_key": key.expose(), "agent_id": agent})).await;
    assert!(named.get("agent_id").is_none() && named.get("vault_ids").is_none(), "{named}");
}

/// More policies than are read at once, of which the first in each vault do not count.
#[tokio::test]
async fn vaults_of_hundreds_of_policies_are_found() {
    let organisation = Organisation::new().await;
    let vaults = [organisation.vault().await, organisation.vault().await, organisation.vault().await];
    let (agent, key) = organisation.agent().await;
    for n in 0..260 {
        organisation.grant(vaults[0], &format!("w{n}"), agent, &[types::PolicyPermission::Write]).await;
    }
    for (vault, permission) in [
        (vaults[0], types::PolicyPermission::Read),
        (vaults[1], types::PolicyPermission::Write),
        (vaults[2], types::PolicyPermission::Read),
    ] {
        organisation.grant(vault, "a", agent, &[permission]).await;
    }
    let body = json!({"api_key": key.expose()});
    let found = organisation.http.send("POST", "/v1/auth/agent-token", None, Some(&body)).await.json();
    assert_eq!(found["vault_ids"], json!([vaults[0], vaults[2]]));
    let seen = organisation.as_agent(&key).vaults().list().await.unwrap().vaults;
    assert_eq!(seen.iter().map(|vault| vault.id).collect::<Vec<_>>(), vaults);
}

#[tokio::test]
async fn a_bound_agent_is_told_its_binding() {
    let organisation = Organisation::new().await;
    let vault = organisation.vault().await;
    let made = organisation.owner.agents().register("bound").vault_ids(vec![vault]).await.unwrap();
    let body = json!({"api_key": made.api_key.unwrap().expose()});
    let answer = organisation.http.send("POST", "/v1/auth/agent-token", None, Some(&body)).await;
    assert_eq!(answer.json()["vault_ids"], json!([vault]));
}

#[tokio::test]
async fn a_key_with_one_character_changed_is_401() {
    let organisation = Organisation::new().await;
    let (agent, key) = organisation.agent().await;
    for at in [4, 20, 46] {
        let mut wrong = key.expose().to_owned().into_bytes();
        wrong[at] = if wrong[at] == b'A' { b'B' } else { b'A' };
        let wrong = String::from_utf8(wrong).unwrap();
        for body in [json!({"api_key": wrong}), json!({"api_key": wrong, "agent_id": agent})] {
            let answer = organisation.http.send("POST", "/v1/auth/agent-token", None, Some(&body)).await;
            assert!(answer.is_problem(401) && !answer.text.contains(&wrong), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn another_agents_id_beside_a_key_is_401() {
    let organisation = Organisation::new().await;
    let ((_, key), (other, _)) = (organisation.agent().await, organisation.agent().await);
    let body = json!({"api_key": key.expose(), "agent_id": other});
    assert!(organisation.http.send("POST", "/v1/auth/agent-token", None, Some(&body)).await.is_problem(401));
}

#[tokio::test]
async fn what_comes_later_is_501() {
    let organisation = Organisation::new().await;
    let (agent, key) = organisation.agent().await;
    let fingerprint = "ab".repeat(32);
    let body = json!({"name": "m", "auth_method": "mtls", "client_cert_fingerprint": fingerprint});
    let mtls = organisation.http.send("POST", "/v1/agents", Some(&organisation.owner_token), Some(&body)).await;
    assert_eq!(mtls.status, 201, "{mtls:?}");
    assert!(mtls.json().get("api_key").is_none());
    // Without a key every agent's id is answered alike, and so is nobody's.
    let nobody = uuid::Uuid::new_v4();
    let mut alike = Vec::new();
    for id in [json!(agent), mtls.json()["agent"]["id"].clone(), json!(nobody)] {
        let answer = organisation.http.send("POST", "/v1/auth/agent-token", None, Some(&json!({"agent_id": id}))).await;
        assert!(answer.is_problem(400), "{answer:?}");
        alike.push(answer.json());
    }
    assert!(alike.windows(2).all(|pair| pair[0] == pair[1]), "{alike:?}");
    for (body, status) in [
        (json!({"api_key": key.expose(), "format": "biscuit"}), 501),
        (json!({"agent_id": agent, "client_assertion": "a.b.c"}), 501),
        (json!({"agent_id": agent}), 400),
        (json!({}), 400),
    ] {
        let answer = organisation.http.send("POST", "/v1/auth/agent-token", None, Some(&body)).await;
        assert!(answer.is_problem(status), "{body}: {answer:?}");
    }
}

#[tokio::test]
async fn keys_work_as_bearer() {
    let organisation = Organisation::new().await;
    let (agent, key) = organisation.agent().await;
    let me = organisation.http.get("/v1/agents/me", key.expose()).await;
    assert_eq!(me.json()["id"], json!(agent), "{me:?}");
    let user_key = organisation.owner.api_keys().create("k").await.unwrap().api_key.unwrap();
    assert!(user_key.expose().starts_with("1ck_"));
    assert_eq!(organisation.http.get("/v1/auth/me", user_key.expose()).await.status, 200);
}

/// Long lists are not copied whole into the token, which has to fit a header.
#[tokio::test]
async fn an_agent_with_long_lists_gets_a_token_that_works() {
    let organisation = Organisation::new().await;
    let mut vaults = Vec::new();
    for _ in 0..120 {
        vaults.push(organisation.vault().await);
    }
    let scopes: Vec<String> = (0..100).map(|n| format!("label:{n}:{}", "x".repeat(400))).collect();
    let request = organisation.owner.agents().register("long").vault_ids(vaults).scopes(scopes);
    let key = request.await.unwrap().api_key.unwrap();
    organisation.as_agent(&key).agents().me().await.unwrap();
}
