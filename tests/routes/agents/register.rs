use keepward::SecretPath;
use keepward_tests::Organisation;

#[tokio::test]
async fn an_agents_private_keys_are_secrets_of_the_key_vault() {
    use base64::Engine;
    let decode = |text: &str| base64::engine::general_purpose::STANDARD.decode(text).unwrap();
    let organisation = Organisation::new().await;
    let agent = organisation.owner.agents().register("a").await.unwrap().agent;
    assert_eq!(decode(agent.ssh_public_key.as_deref().unwrap()).len(), 32);
    let point = decode(agent.ecdh_public_key.as_deref().unwrap());
    assert_eq!((point.len(), point[0]), (65, 4));
    let vaults = organisation.owner.vaults().list().await.unwrap().vaults;
    let vault = vaults.iter().find(|vault| vault.name == "__agent-keys").unwrap().id;
    for (name, kind) in [("ssh", "ssh_key"), ("ecdh", "private_key")] {
        let path: SecretPath = format!("agents/{}/{name}/private_key", agent.id).parse().unwrap();
        let secret = organisation.owner.secrets().get(vault, path).await.unwrap();
        assert_eq!(secret.type_.to_string(), kind);
        assert_eq!(decode(secret.value.expose()).len(), 32);
    }
}

#[tokio::test]
async fn many_first_agents_at_once_share_one_key_vault() {
    let organisation = Organisation::new().await;
    let all: Vec<_> = (0..8)
        .map(|_| {
            let client = organisation.owner.clone();
            tokio::spawn(async move { client.agents().register("a").await.map(|_| ()) })
        })
        .collect();
    for one in all {
        one.await.unwrap().unwrap();
    }
    assert_eq!(organisation.owner.vaults().list().await.unwrap().vaults.len(), 1);
    assert_eq!(organisation.owner.agents().list().await.unwrap().agents.len(), 8);
}
