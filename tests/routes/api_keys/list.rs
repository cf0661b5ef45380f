use keepward_tests::Organisation;

#[tokio::test]
async fn a_list_shows_prefixes_and_no_keys() {
    let organisation = Organisation::new().await;
    let key = organisation.owner.api_keys().create("k").await.unwrap().api_key.unwrap();
    let listed = organisation.http.get("/v1/auth/api-keys", &organisation.owner_token).await;
    assert_eq!(listed.json()["keys"][0]["key_prefix"], key.expose()[..12]);
    assert!(!listed.text.contains(&key.expose()[..13]));
}
