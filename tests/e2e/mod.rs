//! What all SDKs pass, through the Rust SDK: the scenarios, and a call of every operation.

mod calls;

use futures_util::future::{join, join_all};
use keepward::dynamic::{Arguments, Data, Failure, call};
use keepward::{Client, Error};
use keepward_tests::{Mirror, builder, shared};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;

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
        (Value::Number(found), Value::Object(bound)) => found.as_f64() >= Some(bound["at_least"].as_f64().unwrap()),
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
        Failure::Error(Error::Connection { .. }) => "ConnectionFailed",
        Failure::Error(Error::Timeout) => "Timeout",
        Failure::Error(error) => match error.status() {
            Some(401) => "Unauthorized",
            Some(402) => "PaymentRequired",
            Some(403) => "Forbidden",
            Some(404) => "NotFound",
            Some(409) => "Conflict",
            Some(410) => "Gone",
            Some(429) => "RateLimited",
            Some(500..) => "ServerError",
            _ => "KeepwardError",
        },
    }
}

/// What a scenario may expect of a failure.
fn failure_of(failure: &Failure) -> Value {
    let Failure::Error(Error::Api(error)) = failure else { return json!({}) };
    json!({
        "status": error.status, "retry_after": error.retry_after.map(|after| after.as_secs()), "type": error.kind,
        "title": error.title, "detail": error.detail, "fields": error.fields,
    })
}

fn client(step: &Value, with: &Value, mirror: &Mirror) -> Client {
    let text = |name: &str| with[name].as_str().map(str::to_owned);
    let mut made = builder(&mirror.urls()[step["server"].as_str().unwrap_or("real")]);
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
    if let Some(certificate) = text("root_certificate") {
        made = made.root_certificate(certificate);
    }
    if let Some(seconds) = step["timeout_seconds"].as_f64() {
        made = made.timeout(Duration::from_secs_f64(seconds));
    }
    if let Some(retries) = step["max_retries"].as_u64() {
        made = made.max_retries(retries.try_into().unwrap());
    }
    made.build().unwrap()
}

async fn called(client: &Client, operation: &str, with: &Value) -> Result<Data, Failure> {
    call(client, operation, Arguments::new(with.as_object().unwrap().clone(), Vec::new())).await
}

/// A scenario that is being run.
struct Run<'a> {
    scenario: &'a str,
    mirror: &'a Mirror,
    secret: String,
    names: HashMap<String, Value>,
    clients: HashMap<String, Client>,
}

impl<'a> Run<'a> {
    fn new(scenario: &'a Value, mirror: &'a Mirror) -> Self {
        // Of a run whose prints are searched for it.
        let secret = std::env::var("KEEPWARD_E2E_SECRET").unwrap_or_else(|_| format!("sk-{}", uuid::Uuid::new_v4()));
        let unique = uuid::Uuid::new_v4().to_string();
        let names = [("unique", unique.as_str()), ("secret", &secret), ("certificate", mirror.certificate())];
        let names = names.map(|(name, text)| (name.to_owned(), text.into())).into();
        Self { scenario: scenario["name"].as_str().unwrap(), mirror, secret, names, clients: HashMap::new() }
    }

    async fn steps(&mut self, steps: &Value) {
        for step in steps.as_array().into_iter().flatten() {
            if let Some(seconds) = step["pause_seconds"].as_f64() {
                tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
            } else if let Some(name) = step["client"].as_str() {
                let made = client(step, &filled(&step["with"], &self.names), self.mirror);
                self.clients.insert(name.to_owned(), made);
            } else {
                self.calls(step).await;
            }
        }
    }

    /// Calls as often as a step says, and does meanwhile what else it says.
    async fn calls(&mut self, step: &Value) {
        let (who, operation) = (step["as"].as_str().unwrap(), step["call"].as_str().unwrap());
        let times = step["times"].as_u64().unwrap_or(1);
        // From when to when they begin, one after the other.
        let spread = Duration::from_secs_f64(step["spread_seconds"].as_f64().unwrap_or(0.0));
        let (client, with) = (&self.clients[who].clone(), &filled(&step["with"], &self.names));
        let calls = join_all((0..times).map(|n| async move {
            tokio::time::sleep(spread.mul_f64(n as f64 / times as f64)).await;
            called(client, operation, with).await
        }));
        let (outcomes, ()) = join(calls, Box::pin(self.steps(&step["meanwhile"]))).await;
        let answers: Vec<Value> = outcomes.into_iter().filter_map(|outcome| self.answer(step, outcome)).collect();
        if !step["or"].is_null() {
            assert!(!answers.is_empty() && answers.len() < times as usize, "{step}: all ended in the same way");
        }
        for (name, path) in step["bind"].as_object().into_iter().flatten() {
            let pointer = format!("/{}", path.as_str().unwrap().replace('.', "/"));
            self.names.insert(name.clone(), answers[0].pointer(&pointer).unwrap().clone());
        }
    }

    /// The answer to one call, if it was to have one; held against what the step expects.
    fn answer(&self, step: &Value, outcome: Result<Data, Failure>) -> Option<Value> {
        let name = self.scenario;
        let shows = |printed: String| printed.contains(&self.secret);
        match outcome {
            Ok(answer) => {
                assert!(step["error"].is_null(), "{name}: {step} did not fail");
                assert!(!shows(format!("{answer:?}")), "an answer shows a secret");
                let (answer, expected) = (plain(&answer), filled(&step["expect"], &self.names));
                assert!(expected.is_null() || agrees(&answer, &expected), "{name}: {step}");
                Some(answer)
            }
            Err(failure) => {
                let allowed = [&step["error"], &step["or"]].map(Value::as_str);
                assert!(allowed.contains(&Some(name_of(&failure))), "{name}: {step}: {failure:?}");
                assert!(!shows(format!("{failure:?}")), "an error shows a secret");
                let expected = step.get("failure").cloned().unwrap_or(json!({}));
                assert!(agrees(&failure_of(&failure), &expected), "{name}: {step}: {failure:?}");
                None
            }
        }
    }
}

#[tokio::test]
async fn scenarios() {
    let mirror = Mirror::start(Some(&shared().url)).await;
    let scenarios: Vec<Value> = serde_json::from_str(SCENARIOS).unwrap();
    for scenario in &scenarios {
        Run::new(scenario, &mirror).steps(&scenario["steps"]).await;
    }
    assert_eq!(mirror.findings(), Vec::<String>::new());
}
