use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keepward_tests::Organisation;

#[tokio::test]
async fn the_key_of_a_token_is_published() {
    let organisation = Organisation::new().await;
    let header = organisation.owner_token.split('.').next().unwrap();
    let header: serde_json::Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    assert_eq!((&header["alg"], &header["typ"]), (&"EdDSA".into(), &"JWT".into()));
    let published = organisation.http.send("GET", "/v1/auth/jwks", None, None).await.json();
    let key = published["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header["kid"]).unwrap();
    assert_eq!((&key["kty"], &key["crv"]), (&"OKP".into(), &"Ed25519".into()));
    assert_eq!(URL_SAFE_NO_PAD.decode(key["x"].as_str().unwrap()).unwrap().len(), 32);
    assert!(key.get("d").is_none());
}
