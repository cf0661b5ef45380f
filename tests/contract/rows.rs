//! One test a rule; each runs over all operations that the rule is for and names those that break it.

use crate::contract::world::World;
use keepward_tests::document::{operations, optional_fields, working};
use keepward_tests::{Organisation, shared};
use serde_json::{Value, json};

/// `auth_refresh` answers 400 to everything, by contract: it has no success to look at.
fn has_success(id: &str) -> bool {
    id != "auth_refresh"
}

fn none(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[tokio::test]
async fn no_token_and_bad_tokens_are_401() {
    let world = World::new().await;
    let mut broken = Vec::new();
    for operation in operations().iter().filter(|operation| operation.caller != "public") {
        for bearer in [None, Some("nonsense"), Some("ocv_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")] {
            let answer = world.send(operation, bearer, None).await;
            if !answer.is_problem(401) || answer.header("www-authenticate") != "Bearer" {
                broken.push(format!("{} with {bearer:?}: {answer:?}", operation.id));
            }
        }
    }
    none(&broken);
}

#[tokio::test]
async fn the_wrong_kind_of_caller_is_403() {
    let world = World::new().await;
    let mut broken = Vec::new();
    for operation in operations() {
        let wrong = match operation.caller.as_str() {
            "user" | "operator" => &world.agent_token,
            "agent" => &world.organisation.owner_token,
            _ => continue,
        };
        let answer = world.send(&operation, Some(wrong), None).await;
        if !answer.is_problem(403) {
            broken.push(format!("{}: {answer:?}", operation.id));
        }
    }
    none(&broken);
}

#[tokio::test]
async fn a_human_who_is_no_operator_is_403() {
    let world = World::new().await;
    let mut broken = Vec::new();
    for operation in operations().iter().filter(|operation| operation.caller == "operator") {
        let answer = world.send(operation, Some(&world.organisation.owner_token), None).await;
        if !answer.is_problem(403) {
            broken.push(format!("{}: {answer:?}", operation.id));
        }
    }
    none(&broken);
}

#[tokio::test]
async fn a_weak_role_is_403() {
    let world = World::new().await;
    let member = world.organisation.member(&shared(), "member").await;
    let mut broken = Vec::new();
    let ranked: Vec<_> = operations().into_iter().filter(|o| o.text("x-min-role").is_some()).collect();
    assert!(!ranked.is_empty());
    for operation in ranked {
        let answer = world.send(&operation, Some(&member), None).await;
        if !answer.is_problem(403) {
            broken.push(format!("{}: {answer:?}", operation.id));
        }
    }
    none(&broken);
}

#[tokio::test]
async fn an_operator_is_told_that_planned_operations_are_501() {
    let world = World::new().await;
    shared().host(&["operator", "grant", &world.organisation.email]);
    let mut broken = Vec::new();
    for operation in operations().iter().filter(|operation| operation.planned && operation.text("x-requires").is_none())
    {
        let answer = world.send(operation, world.bearer(operation), None).await;
        if !answer.is_problem(501) {
            broken.push(format!("{}: {answer:?}", operation.id));
        }
    }
    none(&broken);
}

#[tokio::test]
async fn another_organisations_ids_are_404() {
    let (world, stranger) = (World::new().await, Organisation::new().await);
    let mut broken = Vec::new();
    for operation in working().filter(|operation| operation.path.contains('{') && operation.caller != "public") {
        let body = world.body(&operation);
        let answer = world.send(&operation, Some(&stranger.owner_token), body.as_ref()).await;
        if !answer.is_problem(404) {
            broken.push(format!("{}: {answer:?}", operation.id));
        }
    }
    none(&broken);
}

#[tokio::test]
async fn ids_that_are_no_uuids_are_400() {
    let world = World::new().await;
    let mut broken = Vec::new();
    for operation in working().filter(|operation| operation.path.contains("_id}")) {
        let path = operation.path.replace("{path}", "a");
        let start = path.find('{').unwrap();
        let end = path.find('}').unwrap();
        let path = format!("{}not-a-uuid{}", &path[..start], &path[end + 1..]);
        let path = path.replace("{policy_id}", &world.policy.to_string());
        let bearer = world.bearer(&operation);
        let answer =
            world.organisation.http.send(&operation.method, &path, bearer, world.body(&operation).as_ref()).await;
        if !answer.is_problem(400) {
            broken.push(format!("{}: {answer:?}", operation.id));
        }
    }
    none(&broken);
}

#[tokio::test]
async fn bodies_that_cannot_be_read_are_refused() {
    let world = World::new().await;
    let http = &world.organisation.http;
    let mut broken = Vec::new();
    let deep = format!("{{\"a\":{}", "[".repeat(10_000)).into_bytes();
    for operation in working().filter(|operation| operation.example().is_some()) {
        let good = world.body(&operation).unwrap().to_string().into_bytes();
        let large = vec![b' '; 5 * 1024 * 1024 + 1];
        let json = "application/json";
        let cases: [(&str, u16, Option<(&str, Vec<u8>)>); 9] = [
            ("malformed", 400, Some((json, b"{".to_vec()))),
            ("not UTF-8", 400, Some((json, b"{\"a\":\"\xff\"}".to_vec()))),
            ("a list", 400, Some((json, b"[]".to_vec()))),
            ("null", 400, Some((json, b"null".to_vec()))),
            ("nested", 400, Some((json, deep.clone()))),
            ("empty", 400, Some((json, Vec::new()))),
            ("of another kind", 415, Some(("text/plain", good.clone()))),
            ("of no kind", 415, Some(("", good.clone()))),
            ("too large", 413, Some((json, large))),
        ];
        for (name, status, body) in cases {
            // A list of nothing is what an operation without required fields may take.
            let status = if operation.id == "auth_refresh" { 400 } else { status };
            let answer =
                http.send_raw(&operation.method, &world.path(&operation), world.bearer(&operation), body).await;
            if !answer.is_problem(status) {
                broken.push(format!("{} {name}: {answer:?}", operation.id));
            }
        }
    }
    none(&broken);
}

#[tokio::test]
async fn wrong_types_name_the_field() {
    let world = World::new().await;
    let mut broken = Vec::new();
    for operation in working().filter(|operation| operation.example().is_some() && has_success(&operation.id)) {
        let good = world.body(&operation).unwrap();
        for field in operation.request_schema().unwrap()["properties"].as_object().unwrap().keys() {
            let mut body = good.clone();
            body[field] = json!([[["wrong"]]]);
            let answer = world.send(&operation, world.bearer(&operation), Some(&body)).await;
            let fields: Value = serde_json::from_str(&answer.text).unwrap_or_default();
            let names = fields["fields"]
                .as_object()
                .is_some_and(|fields| fields.keys().any(|name| name.starts_with(field.as_str())));
            if !answer.is_problem(400) || !names {
                broken.push(format!("{} {field}: {answer:?}", operation.id));
            }
        }
    }
    none(&broken);
}

#[tokio::test]
async fn numbers_past_their_bounds_are_400() {
    let world = World::new().await;
    let mut broken = Vec::new();
    for operation in working().filter(|operation| operation.example().is_some()) {
        let good = world.body(&operation).unwrap();
        for (field, property) in operation.request_schema().unwrap()["properties"].as_object().unwrap() {
            let Some(least) = property["minimum"].as_i64() else { continue };
            let most = property["maximum"].as_i64().unwrap_or(i64::from(i32::MAX));
            for wrong in [json!(least - 1), json!(-1), json!(most + 1), json!(1.5), json!(1e30)] {
                let mut body = good.clone();
                body[field] = wrong.clone();
                let answer = world.send(&operation, world.bearer(&operation), Some(&body)).await;
                if !answer.is_problem(400) {
                    broken.push(format!("{} {field} {wrong}: {answer:?}", operation.id));
                }
            }
        }
    }
    none(&broken);
}

/// The example is accepted, the answer is valid and holds nothing beyond its schema, and the audit trail has the event.
#[tokio::test]
async fn examples_are_accepted_answers_are_valid_and_recorded() {
    let mut broken = Vec::new();
    for operation in working().filter(|operation| has_success(&operation.id)) {
        let world = World::new().await;
        let answer = world.succeed(&operation).await;
        if !operation.success().contains(&answer.status) {
            broken.push(format!("{}: {answer:?}", operation.id));
            continue;
        }
        match operation.answer_validator(answer.status) {
            None if answer.text.is_empty() => {}
            None => broken.push(format!("{}: a body beside 204", operation.id)),
            Some(validator) => {
                for error in validator.iter_errors(&answer.json()) {
                    broken.push(format!("{}: {error} at {}", operation.id, error.instance_path()));
                }
            }
        }
        // A new user's event is in their own organisation's trail.
        if let Some(action) = operation.text("x-audit").filter(|_| operation.id != "auth_signup") {
            let newest = world.newest_event().await;
            if newest.action.as_deref() != Some(action) || newest.outcome.as_deref() != Some("success") {
                broken.push(format!("{}: the newest event is {newest:?}", operation.id));
            }
        }
    }
    none(&broken);
}

#[tokio::test]
async fn unknown_fields_are_ignored() {
    let mut broken = Vec::new();
    for operation in working().filter(|operation| operation.example().is_some() && has_success(&operation.id)) {
        let world = World::new().await;
        let mut body = world.body(&operation).unwrap();
        body["unknown_field"] = json!({"a": [1]});
        let answer = world.send(&operation, world.bearer(&operation), Some(&body)).await;
        if !operation.success().contains(&answer.status) {
            broken.push(format!("{}: {answer:?}", operation.id));
        }
    }
    none(&broken);
}

/// A HEAD answers as a GET does, without its body.
#[tokio::test]
async fn every_get_answers_head() {
    let mut broken = Vec::new();
    let mut looked_at = 0;
    for operation in working().filter(|operation| operation.method == "GET" && has_success(&operation.id)) {
        let world = World::new().await;
        let (path, bearer) = (world.path(&operation), world.bearer(&operation));
        let head = world.organisation.http.send("HEAD", &path, bearer, None).await;
        let get = world.organisation.http.send("GET", &path, bearer, None).await;
        let kind = |answer: &keepward_tests::Answer| answer.header("content-type").to_owned();
        if head.status != get.status || kind(&head) != kind(&get) || !head.text.is_empty() {
            broken.push(format!("{}: {head:?} {get:?}", operation.id));
        }
        let stranger = world.organisation.http.send("HEAD", &path, None, None).await;
        let expected = if operation.caller == "public" { get.status } else { 401 };
        if stranger.status != expected || !stranger.text.is_empty() {
            broken.push(format!("{}: {stranger:?}", operation.id));
        }
        looked_at += 1;
    }
    assert!(looked_at > 10, "{looked_at}");
    none(&broken);
}

/// A field that would limit something, were it known, is named and refused; empty, it limits nothing.
#[tokio::test]
async fn fields_that_restrict_are_never_dropped() {
    let mut broken = Vec::new();
    let mut looked_at = 0;
    for operation in working().filter(|operation| has_success(&operation.id)) {
        let Some(refused) = operation.node["x-refuses"].as_object().cloned() else { continue };
        let world = World::new().await;
        for (field, words) in refused {
            let words: Vec<Value> = words.as_array().unwrap().clone();
            let empty = [Value::Null, json!(false), json!([]), json!({}), json!(""), json!(0)];
            let full = [json!(true), json!(["a"]), json!({"a": 1}), json!("other"), json!(1)];
            let cases = empty.into_iter().chain(words).map(|value| (value, true));
            for (value, is_accepted) in cases.chain(full.into_iter().map(|value| (value, false))) {
                let mut body = world.body(&operation).unwrap();
                body[&field] = value.clone();
                let answer = world.send(&operation, world.bearer(&operation), Some(&body)).await;
                let fits = match is_accepted {
                    true => operation.success().contains(&answer.status),
                    false => answer.is_problem(400) && answer.json()["fields"][&field].is_string(),
                };
                if !fits {
                    broken.push(format!("{} {field} {value}: {answer:?}", operation.id));
                }
                looked_at += 1;
            }
        }
    }
    assert!(looked_at > 0);
    none(&broken);
}

/// Another name of a field works like its own; both, and different, are refused.
#[tokio::test]
async fn other_names_of_fields_work() {
    let mut broken = Vec::new();
    let mut looked_at = 0;
    for operation in working().filter(|operation| has_success(&operation.id)) {
        let Some(aliases) = operation.node["x-aliases"].as_object().cloned() else { continue };
        let world = World::new().await;
        for (alias, name) in aliases {
            let name = name.as_str().unwrap().to_owned();
            let (one, other) = if name == "type" { ("note", "password") } else { ("0.25", "0.5") };
            for (own, given, is_accepted) in
                [(None, one, true), (Some(one), one, true), (Some(other), one, false), (None, "neither one", false)]
            {
                let mut body = world.body(&operation).unwrap();
                body.as_object_mut().unwrap().remove(&name);
                if let Some(own) = own {
                    body[&name] = json!(own);
                }
                body[&alias] = json!(given);
                let answer = world.send(&operation, world.bearer(&operation), Some(&body)).await;
                let shown = answer.json();
                let shown = shown.get("agent").unwrap_or(&shown)[&name].clone();
                let fits = match is_accepted {
                    true => operation.success().contains(&answer.status) && (shown == json!(given)),
                    false => answer.is_problem(400),
                };
                if !fits {
                    broken.push(format!("{} {alias} {own:?} {given}: {answer:?}", operation.id));
                }
                looked_at += 1;
            }
        }
    }
    assert!(looked_at > 0);
    none(&broken);
}

/// `null`, and nothing at all, are the same in an optional field, except in an update, where null clears or is refused.
#[tokio::test]
async fn null_is_nothing_where_it_does_not_clear() {
    let mut broken = Vec::new();
    for operation in working().filter(|operation| operation.example().is_some() && has_success(&operation.id)) {
        let schema = operation.request_schema().unwrap();
        let updates = schema["x-merge-patch"] == true;
        for field in optional_fields(schema) {
            let world = World::new().await;
            let good = world.body(&operation).unwrap();
            let mut without = good;
            without.as_object_mut().unwrap().remove(&field);
            let without = world.send(&operation, world.bearer(&operation), Some(&without)).await.status;
            let again = World::new().await;
            let mut null = again.body(&operation).unwrap();
            null[&field] = Value::Null;
            let null = again.send(&operation, again.bearer(&operation), Some(&null)).await.status;
            let allowed = null == without || (updates && null == 400);
            if !allowed {
                broken.push(format!("{} {field}: null is {null}, nothing is {without}", operation.id));
            }
        }
    }
    none(&broken);
}
