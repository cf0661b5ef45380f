//! The scenarios that all SDKs pass, through the Rust SDK.

use keepward::dynamic::{Arguments, Data, Failure, call};
use keepward::{Client, Error};
use keepward_tests::{builder, shared};
use serde_json::{Map, Value};
use std::collections::HashMap;

const SCENARIOS: &str = include_str!("scenarios.json");

/// With what was bound in the place of its name.
fn filled(value: &Value, names: &HashMap<String, Value>) -> Value {
    match value {
        Value::String(text) => {
            let name = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
            let bound = name.and_then(|name| names.get(name)).cloned();
            bound.unwrap_or_else(|| text.replace("{unique}", names["unique"].as_str().unwrap()).into())
        }
        Value::Array(items) => items.iter().map(|item| filled(item, names)).collect(),
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), filled(value, names))).collect(),
        other => other.clone(),
    }
}

/// What is revealed of an answer to compare it.
fn plain(data: &Data) -> Value {
    match data {
        Data::Null => Value::Null,
        Data::Bool(value) => (*value).into(),
        Data::Int(value) => (*value).into(),
        Data::Long(value) | Data::Loose(value) => (*value).into(),
        Data::Big(value) => (*value).into(),
        Data::Number(value) => (*value).into(),
        Data::Text(text) | Data::Id(text) => text.as_str().into(),
        Data::Secret(text) => text.expose().into(),
        Data::Time(time) => time.to_string().into(),
        Data::List(items) => items.iter().map(plain).collect(),
        Data::Map(entries) => entries.iter().map(|(key, value)| (key.clone(), plain(value))).collect(),
        Data::Model(_, fields) => fields.iter().map(|(key, value)| ((*key).to_owned(), plain(value))).collect(),
    }
}

/// Whether a value has what is expected of it, or more.
fn agrees(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (found, Value::String(any)) if any == "*" => !found.is_null(),
        (Value::Object(found), Value::Object(expected)) => {
            expected.iter().all(|(key, value)| found.get(key).is_some_and(|found| agrees(found, value)))
        }
        (Value::Array(found), Value::Array(expected)) => {
            found.len() >= expected.len() && found.iter().zip(expected).all(|(found, expected)| agrees(found, expected))
        }
        (found, expected) => found == expected,
    }
}

/// What a scenario calls an error.
fn name_of(failure: &Failure) -> &'static str {
    match failure {
        Failure::Type(_) => "type",
        Failure::Error(Error::InvalidArgument(_)) => "value",
        Failure::Error(error) => match error.status() {
            Some(401) => "Unauthorized",
            Some(403) => "Forbidden",
            Some(404) => "NotFound",
            Some(409) => "Conflict",
            Some(410) => "Gone",
            _ => "KeepwardError",
        },
    }
}

fn client(with: &Value) -> Client {
    let text = |name: &str| with[name].as_str().map(str::to_owned);
    let mut made = builder(&shared().url);
    if let (Some(email), Some(password)) = (text("email"), text("password")) {
        made = made.password(email, password);
    }
    if let Some(key) = text("agent_key") {
        made = made.agent_key(key);
    }
    if let Some(key) = text("user_key") {
        made = made.user_key(key);
    }
    if let Some(token) = text("token") {
        made = made.token(token);
    }
    made.build().unwrap()
}

async fn run(scenario: &Value) {
    let name = scenario["name"].as_str().unwrap();
    let secret = format!("sk-{}", uuid::Uuid::new_v4());
    let unique = uuid::Uuid::new_v4().to_string();
    let mut names: HashMap<String, Value> =
        [("unique".into(), unique.into()), ("secret".into(), secret.as_str().into())].into();
    let mut clients = HashMap::new();
    for step in scenario["steps"].as_array().unwrap() {
        let with = filled(&step["with"], &names);
        if let Some(name) = step["client"].as_str() {
            clients.insert(name, client(&with));
            continue;
        }
        let (who, operation) = (step["as"].as_str().unwrap(), step["call"].as_str().unwrap());
        let arguments: Map<String, Value> = with.as_object().unwrap().clone();
        let answer = match call(&clients[who], operation, Arguments::new(arguments, Vec::new())).await {
            Ok(answer) => answer,
            Err(failure) => {
                assert_eq!(Some(name_of(&failure)), step["error"].as_str(), "{name}: {step}: {failure:?}");
                assert!(!format!("{failure:?}").contains(&secret), "an error shows a secret");
                continue;
            }
        };
        assert!(step["error"].is_null(), "{name}: {step} did not fail");
        assert!(!format!("{answer:?}").contains(&secret), "an answer shows a secret");
        let answer = plain(&answer);
        let expected = filled(&step["expect"], &names);
        assert!(expected.is_null() || agrees(&answer, &expected), "{name}: {step}");
        for (name, path) in step["bind"].as_object().into_iter().flatten() {
            let pointer = format!("/{}", path.as_str().unwrap().replace('.', "/"));
            names.insert(name.clone(), answer.pointer(&pointer).unwrap().clone());
        }
    }
}

#[tokio::test]
async fn scenarios() {
    let scenarios: Vec<Value> = serde_json::from_str(SCENARIOS).unwrap();
    for scenario in &scenarios {
        run(scenario).await;
    }
}
