use keepward_tests::Organisation;
use sha2::{Digest, Sha256};

#[tokio::test]
async fn the_chain_is_what_the_contract_says() {
    let organisation = Organisation::new().await;
    let vault = organisation.vault().await;
    organisation.owner.secrets().put(vault, "a", "v").await.unwrap();
    organisation.owner.secrets().get(vault, "a").await.unwrap();
    let mut events = organisation.events().await;
    events.reverse();
    assert_eq!(events.len(), 4);
    let (mut previous_hash, mut previous_id) = (String::new(), None);
    for event in events {
        assert_eq!(event.prev_event_id, previous_id);
        let line = [
            previous_hash.clone(),
            event.id.unwrap().to_string(),
            event.actor_id.clone().unwrap_or_default(),
            event.action.clone().unwrap_or_default(),
            event.resource_type.clone().unwrap_or_default(),
            event.resource_id.clone().unwrap_or_default(),
            event.created_at.unwrap().to_string(),
        ]
        .join("|");
        let hash: String = Sha256::digest(line).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(event.integrity_hash.as_deref(), Some(hash.as_str()));
        (previous_hash, previous_id) = (hash, event.id);
    }
}

#[tokio::test]
async fn thirty_two_writers_make_one_chain() {
    let organisation = Organisation::new().await;
    let vault = organisation.vault().await;
    let all: Vec<_> = (0..32)
        .map(|n| {
            let client = organisation.owner.clone();
            tokio::spawn(async move {
                for _ in 0..5 {
                    client.secrets().put(vault, format!("p{n}").as_str(), "v").await.unwrap();
                }
            })
        })
        .collect();
    for one in all {
        one.await.unwrap();
    }
    let mut events = organisation.owner.audit().events().limit(5000).await.unwrap().events;
    assert_eq!(events.len(), 162);
    events.reverse();
    assert!(
        events.windows(2).all(|pair| pair[1].prev_event_id == pair[0].id && pair[0].created_at <= pair[1].created_at)
    );
}

#[tokio::test]
async fn filters_and_pages() {
    let organisation = Organisation::new().await;
    let vault = organisation.vault().await;
    for _ in 0..5 {
        organisation.owner.secrets().put(vault, "a", "v").await.unwrap();
    }
    let count = async |query: &str| {
        let answer = organisation.http.get(&format!("/v1/audit/events?{query}"), &organisation.owner_token).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json()["count"], answer.json()["events"].as_array().unwrap().len());
        answer.json()["count"].as_u64().unwrap()
    };
    assert_eq!(count("action=secret.write").await, 5);
    assert_eq!(count("action=secret.write&limit=2").await, 2);
    assert_eq!(count("action=secret.write&limit=2&offset=4").await, 1);
    assert_eq!(count("limit=5000").await, 7);
    assert_eq!(count(&format!("resource_id={vault}")).await, 1);
    assert_eq!(count(&format!("actor_id={}", organisation.owner_id)).await, 7);
    assert_eq!(count("actor_id=nobody").await, 0);
    // All at once: what fits one of them and not another is not there.
    let owner = organisation.owner_id;
    let secret = organisation.owner.secrets().get(vault, "a").await.unwrap().id;
    for (query, found) in [
        (format!("resource_id={secret}&action=secret.write"), 5),
        (format!("resource_id={secret}&action=secret.read&actor_id={owner}"), 1),
        (format!("resource_id={secret}&actor_id={secret}"), 0),
        (format!("resource_id={vault}&action=secret.write"), 0),
        (format!("actor_id={owner}&action=secret.write"), 5),
        (format!("actor_id={vault}&action=secret.write"), 0),
        (format!("resource_id={secret}&from=2020-01-01T00:00:00Z&to=2099-01-01T00:00:00Z"), 6),
        (format!("action=secret.write&from=2020-01-01T00:00:00Z&to=2021-01-01T00:00:00Z"), 0),
    ] {
        assert_eq!(count(&query).await, found, "{query}");
    }
    assert_eq!(count("from=2099-01-01T00:00:00Z").await, 0);
    assert_eq!(count("to=2099-01-01T00:00:00Z").await, 8);
    for bad in ["limit=0", "limit=-1", "limit=x", "offset=-1", "from=yesterday", "limit=1&limit=2", "limit=99999999999"]
    {
        let answer = organisation.http.get(&format!("/v1/audit/events?{bad}"), &organisation.owner_token).await;
        assert!(answer.is_problem(400), "{bad}: {answer:?}");
    }
}
